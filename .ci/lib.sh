# Sourced first by the scripts of this directory, which then stand in the
# repository's root.

exec </dev/null
unset CDPATH
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [[ -n ${REDUCTO_CI:-} ]]; then
  echo 'CI is running already: does the README run it?' >&2
  exit 1
fi
export REDUCTO_CI=1

root=$PWD
work=$(mktemp -d)
tally=$work/tally # passed, failed, skipped: a line for each module tested
touch "$tally"

# Each module is built as its users get it, on its own.
export GOWORK=off GOFLAGS=-buildvcs=false

# Tests that need a database, or the published OpenAPI document, skip without these,
# and skipping fails here.
export TEST_POSTGRES_URL=${TEST_POSTGRES_URL:-postgres://postgres@127.0.0.1:5432/test?sslmode=disable}
export TEST_MYSQL_URL=${TEST_MYSQL_URL:-root@tcp(127.0.0.1:3306)/test}
export TEST_OPENAPI=${TEST_OPENAPI:-$root/../shared/openapi/reducto-v1.11.57-53.json}

current=start
trap 'leave $?' EXIT

# step HEADING COMMAND... runs a command under a heading and says how long it took.
step() {
  local began=$SECONDS
  current=$1
  shift
  printf '\n=== %s\n' "$current"
  "$@"
  printf -- '--- %s: %ds\n' "$current" "$((SECONDS - began))"
}

# finished tells leave that every step was run.
finished() { current=; }

# leave ends every run, with the time and the number of tests.
leave() {
  local status=$1
  trap - EXIT
  if [[ -n $current ]]; then
    status=$((status == 0 ? 1 : status))
    printf '\n*** FAILED: %s\n' "$current"
  fi
  printf '\ntotal time: %ds\n' "$SECONDS"
  awk '{p += $1; f += $2; s += $3} END {printf "%d passed, %d failed, %d skipped\n", p, f, s}' "$tally"
  rm -rf "$work"
  exit "$status"
}

# fail says why the current step fails.
fail() {
  printf '%s\n' "$*" >&2
  return 1
}

# files PATTERN... lists the files of the repository, those not yet added included.
files() {
  git ls-files --cached --others --exclude-standard -- "$@" | sort -u | while read -r f; do
    if [[ -e $f ]]; then printf '%s\n' "$f"; fi
  done
}

# modules lists the directories of all modules, the root's first.
modules() {
  echo .
  files '*/go.mod' | sed 's|/go.mod$||'
}

# in_modules COMMAND... runs a command in the directory of each module.
in_modules() {
  local m
  for m in $(modules); do
    printf '%s\n' "$m"
    (
      cd "$m"
      "$@"
    )
  done
}

# tree_state changes whenever the work tree does.
tree_state() {
  git status --porcelain --untracked-files=all
  git diff | cksum
}
