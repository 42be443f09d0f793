package webhook_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// place is where a scenario runs.
type place string

const (
	noStore      place = "without a store" // a Handler, a verifier or the parser by itself
	onMemory     place = "memory"
	onSQLite     place = "SQLite"
	onPostgreSQL place = "PostgreSQL"
	ofClient     place = "the client"
	inHarness    place = "internal/chaos" // processes that are really killed
	asFuzz       place = "fuzz targets"

	everyStore place = "every store"
)

// places are some, with every store for the three.
func places(list ...place) (set []place) {
	for _, p := range list {
		if p == everyStore {
			set = append(set, onMemory, onSQLite, onPostgreSQL)
		} else {
			set = append(set, p)
		}
	}
	return set
}

// scenarios are those of the specification of the receiving side. Each is tested on
// every store, or it is said why not: by a test whose name, or whose subtest's name,
// has its number.
var scenarios = []scenario{
	{1, "without a secret there is no handler", places(noStore), "what does not exist has no store"},
	{2, "a wrong secret is 401 in constant words, and touches nothing", places(noStore, everyStore), ""},
	{3, "secrets that are nearly right are wrong", places(noStore, everyStore), ""},
	{4, "several secrets, each counted; a removed one is refused", places(noStore, everyStore), ""},
	{5, "metadata of every form and size neither panics nor costs memory", places(noStore, everyStore), ""},
	{6, "a secret that is no string is none", places(noStore, everyStore), ""},
	{7, "a secret under another name, or twice, is none", places(noStore, everyStore), ""},
	{8, "a token used for another submission's job is refused, or kept apart until that is known", places(everyStore), ""},
	{9, "a token past its time is refused, with five minutes for clocks that differ", places(noStore, everyStore), ""},
	{10, "a flood of forgeries costs neither store calls nor memory", places(noStore, everyStore), ""},
	{11, "what is no delivery is 400", places(noStore, everyStore), ""},
	{12, "members given twice or in another case are 400", places(noStore, everyStore), ""},
	{13, "job ids that are none are 400 and reach no URL", places(noStore, everyStore), ""},
	{14, "job ids need not be UUIDs; two spellings of one are one job", places(noStore, everyStore), ""},
	{15, "a failed job reaches the function once, with its reason", places(noStore, everyStore), ""},
	{16, "an unknown status is taken in, and the API decides", places(noStore, everyStore), ""},
	{17, "bodies are bounded in size and time", places(noStore, everyStore), ""},
	{18, "a body that a middleware has read is 500 and said aloud", places(noStore, everyStore), ""},
	{19, "other methods are 405", places(noStore, everyStore), ""},
	{20, "any content type is taken", places(noStore, everyStore), ""},
	{21, "four equal deliveries are one call", places(noStore, everyStore), ""},
	{22, "two replicas at the same instant make one record and one call", places(everyStore), ""},
	{23, "a thousand goroutines with one job are one call", places(noStore, everyStore), ""},
	{24, "completed and failed of one job are a conflict, and the API decides", places(noStore, everyStore), ""},
	{25, "a duplicate from beyond the tombstones costs one request and no call", places(noStore, everyStore), ""},
	{26, "delivery and sweep at once are one call", places(everyStore), ""},
	{27, "killed after the insert and before the 200", places(everyStore, inHarness), ""},
	{28, "killed after the 200 and before the claim", places(everyStore, inHarness), ""},
	{29, "killed between claim and completion: the next token, after the lease", places(everyStore, inHarness), ""},
	{30, "paused past its lease, its completion is refused", places(everyStore, inHarness), ""},
	{31, "paused past its lease, its failure is refused", places(everyStore, inHarness), ""},
	{32, "killed after the effect: repeated, but not with CompleteTx", places(everyStore, inHarness), ""},
	{33, "heartbeats that fail end the function's context before the lease", places(everyStore), ""},
	{34, "a job that always panics is buried, with its stack, and hinders no other", places(everyStore), ""},
	{35, "the store is down: 503; up again: the retry or a sweep", places(everyStore), ""},
	{36, "a commit that is acknowledged too late is a duplicate later", places(everyStore), ""},
	{37, "a slow store is answered for in time", places(everyStore), ""},
	{38, "a store that cannot write is 503, and leaves no half state", places(everyStore), ""},
	{39, "a failover loses the claim", nil, "there is no store on Redis: SQLite and PostgreSQL commit before they answer"},
	{40, "a newer schema is refused, an older one migrated, a rolling deploy works", places(onSQLite, onPostgreSQL), "memory has no schema"},
	{41, "the delivery overtakes the answer to the submission", places(everyStore), ""},
	{42, "the answer to the submission is lost: no second job", places(everyStore), ""},
	{43, "all four attempts are lost: a sweep finds the job", places(everyStore), ""},
	{44, "a function slower than the sender's patience runs once, and on", places(noStore, everyStore), ""},
	{45, "a job that is gone ends as expired, with an alert and no loop", places(noStore, everyStore), ""},
	{46, "a function that fails for 13 hours has its result", nil, "capture, saving a result before the function is called, comes later"},
	{47, "a job that ends at 11 h 59 min has its result saved at once", nil, "capture comes later"},
	{48, "the API lags behind what it announced", places(noStore, everyStore), ""},
	{49, "a link that has expired is replaced by a fresh one", places(everyStore, ofClient), "between attempts of a capture: capture comes later"},
	{50, "a job that is deleted or cancelled ends, and Wait says how", places(everyStore, ofClient), ""},
	{51, "Shutdown with running functions: intake goes on, what was not begun is given back at once", places(everyStore), ""},
	{52, "Shutdown with much to do loses nothing", places(everyStore), ""},
	{53, "Shutdown twice, before Run, with an expired context", places(noStore, everyStore), ""},
	{54, "no goroutine is left", places(noStore, everyStore), ""},
	{55, "100 000 pending jobs take no more requests than pages", places(everyStore), ""},
	{56, "429 and Retry-After are obeyed", places(everyStore), ""},
	{57, "nonsense while polling marks nothing", places(everyStore), ""},
	{58, "a revoked key pauses everything and marks nothing", places(everyStore), ""},
	{59, "two sweepers have no double effect", places(everyStore), ""},
	{60, "a job that the list has lost is asked for before it is given up", places(everyStore), ""},
	{61, "secrets appear nowhere", places(noStore, everyStore), ""},
	{62, "labels of metrics are from fixed sets", places(everyStore), ""},
	{63, "a logger or observer that misbehaves stops nothing", places(noStore, everyStore), ""},
	{64, "the parser and the verifiers are fuzzed", places(noStore, asFuzz), "the parser and the verifiers come before any store"},
}

type scenario struct {
	number int
	what   string
	where  []place
	why    string // why it is not, or not all of it, tested on every store
}

// directories have the tests; those of the second module are read like the first's.
var directories = []string{".", "..", "sqlstore", filepath.Join("..", "internal", "chaos")}

func TestScenarioTable(t *testing.T) {
	t.Parallel()
	found := foundTests{}
	for _, dir := range directories {
		found.read(t, dir)
	}
	for _, problem := range found.against(scenarios) {
		assert.Fail(t, problem)
	}
	assert.ElementsMatch(t, []string{"FuzzParse", "FuzzSecretVerify", "FuzzSignerVerify", "FuzzSvixVerify"}, found[64][asFuzz])
	if testing.Verbose() {
		for _, s := range scenarios {
			t.Logf("%2d %v%s", s.number, s.where, map[bool]string{true: " (" + s.why + ")"}[s.why != ""])
		}
	}

	// Whatever is taken away is missed.
	require.Len(t, scenarios, 64)
	for number, in := range found {
		for p := range in {
			fewer := foundTests{}
			for n, in := range found {
				fewer[n] = maps.Clone(in)
			}
			delete(fewer[number], p)
			assert.Len(t, fewer.against(scenarios), 1, "scenario %d without its tests in: %s", number, p)
		}
		without := slices.Concat(scenarios[:number-1], scenarios[number:])
		assert.NotEmpty(t, found.against(without), "the table without scenario %d", number)
	}
}

// foundTests are the names of tests, by scenario and place.
type foundTests map[int]map[place][]string

func (f foundTests) note(number int, p place, name string) {
	if f[number] == nil {
		f[number] = map[place][]string{}
	}
	f[number][p] = append(f[number][p], name)
}

// against says what is wrong: scenarios that are not tested where the table says
// so, or are tested where it does not.
func (f foundTests) against(table []scenario) (problems []string) {
	if len(table) != 64 {
		problems = append(problems, fmt.Sprintf("the specification has 64 scenarios, the table %d", len(table)))
	}
	listed := map[int]bool{}
	for i, s := range table {
		listed[s.number] = true
		if len(table) == 64 && s.number != i+1 {
			problems = append(problems, fmt.Sprintf("scenario %d stands where %d has to", s.number, i+1))
		}
		everywhere := slices.Contains(s.where, onMemory) && slices.Contains(s.where, onSQLite) && slices.Contains(s.where, onPostgreSQL)
		if s.what == "" || !everywhere && s.why == "" {
			problems = append(problems, fmt.Sprintf("scenario %d is neither tested on every store nor excused", s.number))
		}
		for _, p := range s.where {
			if len(f[s.number][p]) == 0 {
				problems = append(problems, fmt.Sprintf("scenario %d (%s) has no test: %s", s.number, s.what, p))
			}
		}
		for p, names := range f[s.number] {
			if !slices.Contains(s.where, p) {
				problems = append(problems, fmt.Sprintf("scenario %d is tested (%s), which the table does not say: %v", s.number, p, names))
			}
		}
	}
	for number := range f {
		if !listed[number] {
			problems = append(problems, fmt.Sprintf("the table has no scenario %d", number))
		}
	}
	return problems
}

var scenarioName = regexp.MustCompile(`Scenario(\d\d)(\D|$)`)

// read finds the tests of a directory. A test runs on the stores whose constructor,
// or dialect, is named in it or in a function of its package that it leads to.
func (f foundTests) read(t *testing.T, dir string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	require.NoError(t, err)
	require.NotEmpty(t, paths, "%s has no tests", dir)
	code := testCode{}
	for _, path := range paths {
		source, err := os.ReadFile(path)
		require.NoError(t, err)
		code.add(t, path, source)
	}
	for name, bodies := range code {
		switch {
		case strings.HasPrefix(name, "Fuzz") && dir == ".":
			f.note(64, asFuzz, name)
			continue
		case !strings.HasPrefix(name, "Test"):
			continue
		}
		where := code.leadsTo(name)
		switch {
		case dir == "..":
			where = []place{ofClient}
		case filepath.Base(dir) == "chaos":
			where = []place{inHarness}
		case len(where) == 0:
			where = []place{noStore}
		}
		for _, named := range append(subtests(t, bodies), name) {
			if m := scenarioName.FindStringSubmatch(named); m != nil {
				number, err := strconv.Atoi(m[1])
				require.NoError(t, err)
				for _, p := range where {
					f.note(number, p, name)
				}
			}
		}
	}
}

// testCode are the bodies of a package's functions by name, with those of methods
// of all types.
type testCode map[string][]*ast.BlockStmt

func (c testCode) add(t *testing.T, path string, source []byte) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, source, parser.SkipObjectResolution)
	require.NoError(t, err)
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Body != nil {
			c[f.Name.Name] = append(c[f.Name.Name], f.Body)
		}
	}
}

// stores are named by what makes one.
var stores = map[string]place{
	"webhook.NewMemoryStore": onMemory, "sqlstore.SQLite": onSQLite, "sqlstore.PostgreSQL": onPostgreSQL,
}

// leadsTo are the stores that a function leads to.
func (c testCode) leadsTo(name string) (where []place) {
	seen := map[string]bool{name: true}
	for queue := []string{name}; len(queue) > 0; queue = queue[1:] {
		for _, body := range c[queue[0]] {
			ast.Inspect(body, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.SelectorExpr:
					if x, ok := n.X.(*ast.Ident); ok {
						if p, ok := stores[x.Name+"."+n.Sel.Name]; ok && !slices.Contains(where, p) {
							where = append(where, p)
						}
					}
				case *ast.Ident:
					if !seen[n.Name] {
						seen[n.Name] = true
						queue = append(queue, n.Name)
					}
				}
				return true
			})
		}
	}
	return where
}

// subtests are the literal names of subtests.
func subtests(t *testing.T, bodies []*ast.BlockStmt) (names []string) {
	t.Helper()
	for _, body := range bodies {
		ast.Inspect(body, func(n ast.Node) bool {
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
				names = append(names, text)
			}
			return true
		})
	}
	return names
}

func TestStoresOfATestAreFound(t *testing.T) {
	t.Parallel()
	code := testCode{}
	code.add(t, "x_test.go", []byte(`package x
func TestNone(t *testing.T) { h := NewHandler() }
func TestMemory(t *testing.T) { site(t, func() {}) }
func TestBoth(t *testing.T) { both(t); t.Run("Scenario07/x", nil) }
func both(t *testing.T) { try(t, lite); try(t, post) }
func lite() { open(sqlstore.SQLite) }
func post() { open(sqlstore.PostgreSQL) }
func (s site) site() { s.store = webhook.NewMemoryStore() }
`))
	assert.Empty(t, code.leadsTo("TestNone"))
	assert.Equal(t, []place{onMemory}, code.leadsTo("TestMemory"))
	assert.ElementsMatch(t, []place{onSQLite, onPostgreSQL}, code.leadsTo("TestBoth"))
	assert.Equal(t, []string{"Scenario07/x"}, subtests(t, code["TestBoth"]))
}
