package conformance_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// typesHead declares what the lines behind it use.
const typesHead = `import Reducto from 'reductoai';
import type * as Shared from 'reductoai/resources/shared';
type Mutable<T> = { -readonly [K in keyof T]: Mutable<T[K]> };
type Ended<R> = Reducto.JobGetResponse.EnhancedAsyncJobResponse & { status: 'Completed'; result: R };
`

// misfits are answers that are not of their types, each in another way.
var misfits = []typed{
	{"Shared.Upload", []byte(`{"file_id":7}`)},
	{"Shared.Upload", []byte(`{"presigned_url":null}`)},
	{"Shared.SplitResponse", []byte(`{"usage":{"num_pages":1},"result":{"section_mapping":null,"splits":[{"name":"A","pages":["1"]}]}}`)},
	{"Ended<Shared.EditResponse>", []byte(`{"status":"Completed","result":null}`)},
	{"Reducto.JobGetAllResponse", []byte(`{"jobs":[{"status":"completed"}]}`)},
	{"Reducto.WebhookRunResponse", []byte(`["https://app.svix.test"]`)},
}

// testTypes has the TypeScript compiler say whether what was answered is of the
// types that the SDK declares.
func (s *sdk) testTypes(t *testing.T) {
	require.NotEmpty(t, s.answers)
	complaints := compile(t, append(s.answers, misfits...))
	for i, a := range s.answers {
		assert.Empty(t, complaints[i], "%s: %s", a.typeName, a.value)
	}
	for i, a := range misfits {
		assert.NotEmpty(t, complaints[len(s.answers)+i], "%s: %s is a misfit", a.typeName, a.value)
	}
	t.Logf("%d answers", len(s.answers))
}

var compilerError = regexp.MustCompile(`answers\.mts\((\d+),\d+\): error (TS\d+: .*)`)

// compile type-checks a program that assigns each value to its type, and returns
// what the compiler has against each.
func compile(t *testing.T, values []typed) map[int][]string {
	t.Helper()
	compiler := program(t, "typescript", "bin", "tsc")
	var source bytes.Buffer
	source.WriteString(typesHead)
	first := strings.Count(typesHead, "\n") + 1
	for _, v := range values {
		require.NotContains(t, string(v.value), "\n")
		// A constant, so that strings keep their values; by way of a variable, so that
		// members which the SDK does not know are no error.
		_, _ = fmt.Fprintf(&source, "{ const v = %s as const; const w: %s = v as Mutable<typeof v>; void w; }\n", v.value, v.typeName)
	}
	dir, err := os.MkdirTemp("node_modules", ".types-") // imports are found from here
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "answers.mts")
	require.NoError(t, os.WriteFile(file, source.Bytes(), 0o600))
	out, err := exec.CommandContext(t.Context(), "node", compiler, "--noEmit", "--strict", "--skipLibCheck",
		"--module", "nodenext", "--target", "es2022", "--types", "node", "--pretty", "false", file).CombinedOutput()
	complaints := map[int][]string{}
	for line := range strings.Lines(string(out)) {
		m := compilerError.FindStringSubmatch(line)
		if m == nil {
			assert.True(t, strings.HasPrefix(line, "  "), "the compiler says: %s", line)
			continue
		}
		number, err := strconv.Atoi(m[1])
		require.NoError(t, err)
		require.GreaterOrEqual(t, number, first, line)
		complaints[number-first] = append(complaints[number-first], m[2])
	}
	require.Equal(t, err != nil, len(complaints) > 0, "%v: %s", err, out)
	return complaints
}
