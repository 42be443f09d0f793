# The goals for speed, beside what was measured. See bench.

run_bench() { (cd bench && go run .); }
