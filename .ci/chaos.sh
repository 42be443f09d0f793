# The crash harness kills, pauses and disconnects processes with an Inbox, while it
# loses, duplicates and forges deliveries. See internal/chaos.

# run_chaos SECONDS attacks all four configurations. It takes at most that time.
run_chaos() {
  if ! compgen -G 'internal/chaos/*.go' >/dev/null; then
    echo 'no crash harness'
    return 0
  fi
  (cd internal/chaos && go build -o "$work/chaos" .)
  "$work/chaos" -ci -budget "$1s" || fail "the crash harness: see the ledger above; its seed repeats the faults"
}

# run_chaos_long attacks each configuration with 2,000 jobs and 100 kills.
run_chaos_long() {
  (cd internal/chaos && go build -o "$work/chaos" .)
  "$work/chaos" -long || fail "the crash harness: see the ledger above; its seed repeats the faults"
}

# run_durability prints the cost of the durable intake, as ratios within one run.
run_durability() {
  (cd webhook/inbox/sqlstore && go test -run='^$' -bench=. -benchtime=1x .)
}
