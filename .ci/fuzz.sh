# Fuzzing: every target of every module gets an equal share of the time.

# fuzz_targets lists directory and name of each target.
fuzz_targets() {
  { files '*_test.go' | xargs -r grep -HoE '^func Fuzz[A-Za-z0-9_]*\(' || true; } |
    sed -E -e 's|^([^/]*):func|./\1:func|' -e 's|/[^/]*:func (.*)\($| \1|'
}

run_fuzz() {
  local targets count share dir name
  targets=$(fuzz_targets)
  if [[ -z $targets ]]; then
    echo 'no fuzz targets'
    return 0
  fi
  count=$(wc -l <<<"$targets")
  share=$(($1 / count))
  if ((share < 1)); then share=1; fi
  printf '%d targets, %ds each\n' "$count" "$share"
  while read -r dir name; do
    (cd "$dir" && fuzz_one "$dir" "$name" "$share")
  done <<<"$targets"
}

fuzz_one() {
  local log=$work/fuzz.log status=0 input
  timeout "$(($3 + 300))" go test -run='^$' -fuzz="^$2\$" -fuzztime="$3s" -fuzzminimizetime=10x -parallel=2 . >"$log" 2>&1 || status=$?
  if [[ $status == 0 ]] || only_deadline "$log"; then
    printf '%s %s: %s\n' "$1" "$2" "$(grep '^fuzz: elapsed' "$log" | tail -n 1)"
    return 0
  fi
  cat "$log"
  input=$(sed -nE 's|^ *Failing input written to (.*)$|\1|p' "$log" | head -n 1)
  if [[ -n $input && -e $input ]]; then
    printf '%s/%s:\n' "$1" "$input"
    cat "$input"
  fi
  fail "$1: $2 failed (exit code $status); with the file above, go test -run=$2 repeats it"
}

# only_deadline recognises a run that found nothing but missed its own end, which
# the go command takes for a failure (golang/go#75804).
only_deadline() {
  grep -q '^    context deadline exceeded$' "$1" &&
    ! grep -vE '^(fuzz: |warning: starting with empty corpus|--- FAIL: |    context deadline exceeded$|FAIL|exit status 1$|$)' "$1" >/dev/null
}
