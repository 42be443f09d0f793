# The crash harness: processes with an inbox on one database, killed, stopped and
# cut off while webhooks are lost, repeated and forged. See internal/chaos.

# run_chaos breaks all four configurations within that many seconds.
run_chaos() {
  if ! compgen -G 'internal/chaos/*.go' >/dev/null; then
    echo 'no crash harness'
    return 0
  fi
  (cd internal/chaos && go build -o "$work/chaos" .)
  "$work/chaos" -ci -budget "$1s" || fail "the crash harness: the ledger above says what broke; its seed repeats it"
}

# run_chaos_long breaks each configuration with 2,000 jobs and 100 kills.
run_chaos_long() {
  (cd internal/chaos && go build -o "$work/chaos" .)
  "$work/chaos" -long || fail "the crash harness: the ledger above says what broke; its seed repeats it"
}

# run_durability prints what receiving durably costs, as ratios within one run.
run_durability() {
  (cd webhook/sqlstore && go test -run='^$' -bench=. -benchtime=1x .)
}
