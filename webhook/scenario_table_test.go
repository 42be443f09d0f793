package webhook_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Where a scenario is tested: by tests whose names, or whose subtests' names, have
// its number.
const (
	inHandler = "webhook, of a Handler"
	inInbox   = "webhook, of an Inbox" // named ScenarioNN_...Inbox
	inRoot    = "the client"
	inStore   = "webhook/sqlstore"
	inChaos   = "internal/chaos"
	inFuzz    = "fuzz targets"
)

// scenarios are those of the specification of the receiving side.
var scenarios = []struct {
	number   int
	what     string
	where    []string
	notBuilt string // what of it is not built yet, and why
}{
	{1, "without a secret there is no handler", []string{inHandler}, ""},
	{2, "a wrong secret is 401 in constant words, and touches nothing", []string{inHandler, inInbox}, ""},
	{3, "secrets that are nearly right are wrong", []string{inHandler}, ""},
	{4, "several secrets, each counted; a removed one is refused", []string{inHandler, inInbox}, ""},
	{5, "metadata of every form and size neither panics nor costs memory", []string{inHandler}, ""},
	{6, "a secret that is no string is none", []string{inHandler}, ""},
	{7, "a secret under another name, or twice, is none", []string{inHandler}, ""},
	{8, "a token used for another submission's job is refused, or kept apart until that is known", []string{inInbox}, ""},
	{9, "a token past its time is refused, with five minutes for clocks that differ", []string{inHandler}, ""},
	{10, "a flood of forgeries costs neither store calls nor memory", []string{inHandler, inInbox}, ""},
	{11, "what is no delivery is 400", []string{inHandler}, ""},
	{12, "members given twice or in another case are 400", []string{inHandler}, ""},
	{13, "job ids that are none are 400 and reach no URL", []string{inHandler}, ""},
	{14, "job ids need not be UUIDs; two spellings of one are one job", []string{inHandler}, ""},
	{15, "a failed job reaches the function once, with its reason", []string{inHandler}, ""},
	{16, "an unknown status is taken in, and the API decides", []string{inHandler}, ""},
	{17, "bodies are bounded in size and time", []string{inHandler}, ""},
	{18, "a body that a middleware has read is 500 and said aloud", []string{inHandler}, ""},
	{19, "other methods are 405", []string{inHandler}, ""},
	{20, "any content type is taken", []string{inHandler}, ""},
	{21, "four equal deliveries are one call", []string{inHandler, inInbox}, ""},
	{22, "two replicas at the same instant make one record and one call", []string{inInbox}, ""},
	{23, "a thousand goroutines with one job are one call", []string{inHandler, inInbox}, ""},
	{24, "completed and failed of one job are a conflict, and the API decides", []string{inHandler, inInbox}, ""},
	{25, "a duplicate from beyond the tombstones costs one request and no call", []string{inHandler, inInbox}, ""},
	{26, "delivery and sweep at once are one call", []string{inInbox}, ""},
	{27, "killed after the insert and before the 200", []string{inInbox, inChaos}, ""},
	{28, "killed after the 200 and before the claim", []string{inInbox, inChaos}, ""},
	{29, "killed between claim and completion: the next token, after the lease", []string{inInbox, inChaos}, ""},
	{30, "paused past its lease, its completion is refused", []string{inInbox, inChaos}, ""},
	{31, "paused past its lease, its failure is refused", []string{inInbox, inChaos}, ""},
	{32, "killed after the effect: repeated, but not with CompleteTx", []string{inInbox, inChaos}, ""},
	{33, "heartbeats that fail end the function's context before the lease", []string{inInbox}, ""},
	{34, "a job that always panics is buried, with its stack, and hinders no other", []string{inInbox}, ""},
	{35, "the store is down: 503; up again: the retry or a sweep", []string{inInbox}, ""},
	{36, "a commit that is acknowledged too late is a duplicate later", []string{inInbox}, ""},
	{37, "a slow store is answered for in time", []string{inInbox}, ""},
	{38, "a store that cannot write is 503, and leaves no half state", []string{inInbox}, ""},
	{39, "a failover loses the claim", nil, "there is no store on Redis: SQLite and PostgreSQL commit before they answer"},
	{40, "a newer schema is refused, an older one migrated, a rolling deploy works", []string{inStore}, ""},
	{41, "the delivery overtakes the answer to the submission", []string{inInbox}, ""},
	{42, "the answer to the submission is lost: no second job", []string{inInbox}, ""},
	{43, "all four attempts are lost: a sweep finds the job", []string{inInbox}, ""},
	{44, "a function slower than the sender's patience runs once, and on", []string{inHandler, inInbox}, ""},
	{45, "a job that is gone ends as expired, with an alert and no loop", []string{inHandler, inInbox}, ""},
	{46, "a function that fails for 13 hours has its result", nil, "capture, saving a result before the function is called, comes later"},
	{47, "a job that ends at 11 h 59 min has its result saved at once", nil, "capture comes later"},
	{48, "the API lags behind what it announced", []string{inHandler, inInbox}, ""},
	{49, "a link that has expired is replaced by a fresh one", []string{inRoot, inInbox}, "between attempts of a capture: capture comes later"},
	{50, "a job that is deleted or cancelled ends, and Wait says how", []string{inRoot, inInbox}, ""},
	{51, "Shutdown with running functions: intake goes on, what was not begun is given back at once", []string{inInbox}, ""},
	{52, "Shutdown with much to do loses nothing", []string{inInbox}, ""},
	{53, "Shutdown twice, before Run, with an expired context", []string{inHandler, inInbox}, ""},
	{54, "no goroutine is left", []string{inHandler, inInbox}, ""},
	{55, "100 000 pending jobs take no more requests than pages", []string{inInbox}, ""},
	{56, "429 and Retry-After are obeyed", []string{inInbox}, ""},
	{57, "nonsense while polling marks nothing", []string{inInbox}, ""},
	{58, "a revoked key pauses everything and marks nothing", []string{inInbox}, ""},
	{59, "two sweepers have no double effect", []string{inInbox}, ""},
	{60, "a job that the list has lost is asked for before it is given up", []string{inInbox}, ""},
	{61, "secrets appear nowhere", []string{inHandler, inInbox}, ""},
	{62, "labels of metrics are from fixed sets", []string{inInbox}, ""},
	{63, "a logger or observer that misbehaves stops nothing", []string{inHandler, inInbox}, ""},
	{64, "the parser and the verifiers are fuzzed", []string{inFuzz}, ""},
}

var scenarioName = regexp.MustCompile(`Scenario(\d\d)(\D|$)`)

func TestScenarioTable(t *testing.T) {
	t.Parallel()
	found := map[int]map[string][]string{} // by number and place
	note := func(number int, place, name string) {
		if found[number] == nil {
			found[number] = map[string][]string{}
		}
		found[number][place] = append(found[number][place], name)
	}
	for place, dir := range map[string]string{
		inHandler: ".", inRoot: "..", inStore: "sqlstore", inChaos: filepath.Join("..", "internal", "chaos"),
	} {
		for _, name := range testNames(t, dir) {
			m := scenarioName.FindStringSubmatch(name)
			if m == nil {
				if place == inHandler && strings.HasPrefix(name, "Fuzz") {
					note(64, inFuzz, name)
				}
				continue
			}
			number, err := strconv.Atoi(m[1])
			require.NoError(t, err)
			if place == inHandler && strings.HasSuffix(name, "Inbox") {
				note(number, inInbox, name)
			} else {
				note(number, place, name)
			}
		}
	}

	require.Len(t, scenarios, 64)
	for i, s := range scenarios {
		require.Equal(t, i+1, s.number)
		assert.NotEmpty(t, s.what, "scenario %d", s.number)
		assert.True(t, len(s.where) > 0 || s.notBuilt != "", "scenario %d is neither tested nor excused", s.number)
		for _, place := range s.where {
			assert.NotEmpty(t, found[s.number][place], "scenario %d (%s) has no test in: %s", s.number, s.what, place)
		}
		if len(s.where) == 0 {
			assert.Empty(t, found[s.number], "scenario %d is tested, but listed as not built", s.number)
		}
	}
	for number := range found {
		assert.True(t, number >= 1 && number <= 64, "there is no scenario %d", number)
	}
	assert.ElementsMatch(t, []string{"FuzzParse", "FuzzSecretVerify", "FuzzSignerVerify", "FuzzSvixVerify"}, found[64][inFuzz])
}

// testNames are the tests, fuzz targets and subtests with a literal name in a
// directory.
func testNames(t *testing.T, dir string) []string {
	t.Helper()
	if _, err := os.Stat(dir); err != nil {
		t.Fatalf("%v", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	require.NoError(t, err)
	var names []string
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, decl := range parsed.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv != nil || f.Body == nil || !strings.HasPrefix(f.Name.Name, "Test") && !strings.HasPrefix(f.Name.Name, "Fuzz") {
				continue
			}
			names = append(names, f.Name.Name)
			ast.Inspect(f.Body, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || len(call.Args) != 2 {
					return true
				}
				if run, ok := call.Fun.(*ast.SelectorExpr); !ok || run.Sel.Name != "Run" {
					return true
				}
				if name, ok := call.Args[0].(*ast.BasicLit); ok && name.Kind == token.STRING {
					text, err := strconv.Unquote(name.Value)
					require.NoError(t, err)
					if scenarioName.MatchString(text) {
						names = append(names, fmt.Sprintf("%s/%s", f.Name.Name, text))
					}
				}
				return true
			})
		}
	}
	return names
}
