# Tests under the race detector. A skipped test is a failure.
#
#   TEST_COUNT     how often each test runs (1)
#   TEST_TIMEOUT   of a package's tests (10m)

# install_pgbouncer installs the pooler that tests of sqlstore start, where it is missing.
install_pgbouncer() { install_package pgbouncer PgBouncer find_pgbouncer; }

find_pgbouncer() { PATH=$PATH:/usr/sbin pgbouncer --version 2>/dev/null; }

# install_postgres installs the server that tests of webhook/inbox/scenarios start and
# restart, where it is missing. The places are those of internal/pgcluster.
install_postgres() { install_package postgresql PostgreSQL find_postgres; }

find_postgres() { compgen -G '/usr/lib/postgresql/*/bin/initdb' || command -v initdb; }

# install_chromium installs the browser that tests of internal/browser start, where it is
# missing. The commands are those that newTab in chromium_test.go looks for.
install_chromium() { install_package chromium Chromium find_chromium; }

find_chromium() { command -v chromium || command -v chromium-browser || command -v google-chrome; }

# install_package PACKAGE NAME FIND installs a package of Debian unless FIND succeeds.
install_package() {
  local log=$work/$1.log
  if ! "$3"; then
    if ! { apt-get update && apt-get install -y --no-install-recommends "$1"; } >"$log" 2>&1; then
      tail -n 20 "$log" >&2
      fail "$2 is missing, and apt-get cannot install it: install $2, or run this as root on Debian"
      return
    fi
    "$3" || fail "the package $1 did not install $2"
  fi
}

# every_package is the pattern that README.md gives for the tests of all modules. The
# workspace makes it match each of them.
every_package=github.com/reducto-go/reducto/...

run_tests() {
  grep -qF "\`go test $every_package\`" README.md || fail "README.md does not name the command: go test $every_package"
  in_workspace go list -f '{{.Module.Path}}' "$every_package" | sort -u >"$work/tested"
  modules | while read -r m; do (cd "$m" && go list -m); done | sort -u >"$work/modules"
  diff "$work/modules" "$work/tested" || fail 'go.work does not name every module'
  in_workspace go test -race -count="${TEST_COUNT:-1}" -timeout="${TEST_TIMEOUT:-10m}" \
    -covermode=atomic -coverpkg="$(covered | paste -sd, -)" -coverprofile="$work/cover.out" -json "$every_package" |
    "$work/bin/testreport" -name 'all modules' -tally "$tally"
}

in_workspace() { env -u GOWORK "$@"; }

# run_plain_tests runs the tests that are not built with the race detector.
run_plain_tests() {
  (cd webhook/inbox/sqlstore && go test -count=1 -timeout=10m -run=Careful -json . |
    "$work/bin/testreport" -name 'webhook/inbox/sqlstore without -race' -tally "$tally")
}

# covered lists the packages whose coverage counts, those that exist.
covered() {
  local dir
  for dir in . ./webhook ./webhook/inbox; do
    if compgen -G "$dir/*.go" >/dev/null; then go list "$dir"; fi
  done
}

check_coverage() { "$work/bin/coverage" -min "${COVERAGE_MIN:-90}" "$work/cover.out" $(covered); }
