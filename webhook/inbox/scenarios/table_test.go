package scenarios_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// others are the scenarios of the specification that touch no store of this module,
// or that other packages test too.
var others = []struct {
	number int
	dir    string // of the tests, from this directory
	tests  []string
	why    string // it has no scenario here
}{
	{1, "../..", []string{"TestNewSecretRefusesBadSecrets", "TestNewHandlerRefusesWrongConfiguration"}, "without a secret there is no Inbox"},
	{8, "..", []string{"TestBindConflictIsLoggedAndCounted"}, ""},
	{27, "../../../internal/chaos", []string{"TestKillBetweenCommitAndAnswerCallsFuncOnce"}, ""},
	{28, "../../../internal/chaos", []string{"TestKillBetweenAnswerAndClaimLosesNothing"}, ""},
	{29, "../../../internal/chaos", []string{"TestKillBetweenClaimAndCompletionCallsFuncAgainAfterLease"}, ""},
	{30, "../../../internal/chaos", []string{"TestStopPastLeaseThenSuccessIsFenced"}, ""},
	{31, "../../../internal/chaos", []string{"TestStopPastLeaseThenFailureIsFenced"}, ""},
	{32, "../../../internal/chaos", []string{"TestKillBetweenEffectAndCompletion"}, ""},
	{32, "..", []string{"TestCompleteTx"}, ""},
	{39, "", nil, "no store is on Redis; SQLite, PostgreSQL and MySQL commit before they answer"},
	{40, "../sqlstore", []string{
		"TestScenario40_OlderSchemaIsMigrated", "TestScenario40_NewerCompatibleSchemaIsUsed", "TestScenario40_NewerIncompatibleSchemaIsRefused",
	}, "it is about opening a database"},
	{46, "", nil, "no result is saved before the function is called"},
	{47, "", nil, "no result is saved before the function is called"},
	{55, "..", []string{"TestReconcilerListsManyPendingJobs"}, ""},
	{63, "..", []string{"TestStoreThatPanicsHasFailed", "TestShutdownReportsAnObserverThatBlocks"}, ""},
	{64, "../../internal/body", []string{"FuzzParse"}, "the parser comes before any store"},
	{64, "../..", []string{"FuzzSecretVerify", "FuzzSignerVerify", "FuzzSvixVerify"}, "verifiers come before any store"},
}

// TestEveryScenarioHasATest checks that each of the 64 scenarios has a test, or a
// reason to have none, and that these tests exist.
func TestEveryScenarioHasATest(t *testing.T) {
	t.Parallel()
	held := map[int]bool{}
	names := map[string]bool{}
	for _, s := range scenarios {
		assert.False(t, names[s.name], "%s is there twice", s.name)
		require.NotNil(t, s.story, s.name)
		held[s.number], names[s.name] = true, true
	}
	for _, o := range others {
		assert.Equal(t, !held[o.number] || o.number == 64, o.why != "", "scenario %d", o.number)
		for _, name := range o.tests {
			assert.Contains(t, testsOf(t, o.dir), name, "%s, scenario %d", o.dir, o.number)
		}
	}
	for _, o := range others {
		held[o.number] = true
	}
	for number := 1; number <= 64; number++ {
		assert.True(t, held[number], "scenario %d has no test", number)
	}
	assert.Len(t, held, 64)
	for _, name := range []string{"memory", "SQLite", "PostgreSQL", "MySQL"} {
		assert.Contains(t, fmt.Sprint(backends), name)
	}
}

var testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)

// testsOf returns the tests of a directory.
func testsOf(t *testing.T, dir string) (names []string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	require.NoError(t, err)
	for _, path := range paths {
		source, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, m := range testFunc.FindAllStringSubmatch(string(source), -1) {
			names = append(names, m[1])
		}
	}
	return names
}
