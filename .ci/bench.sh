# The goals for speed, beside what was measured. See bench.

run_bench() { (cd bench && go run .); }

# run_growth measures on a PostgreSQL of its own. It has the default settings, and the
# memory that such tables need.
run_growth() (
  bin=$(pg_config --bindir)
  data=$work/postgres
  as=()
  mkdir "$data"
  if ((EUID == 0)); then # PostgreSQL refuses to run as root
    as=(setpriv --reuid=postgres --regid=postgres --init-groups)
    chmod 711 "$work"
    chown postgres "$data"
  fi
  "${as[@]}" "$bin/initdb" -D "$data" -U postgres -A trust -E UTF8 --no-locale >/dev/null
  trap '"${as[@]}" "$bin/pg_ctl" -D "$data" -m immediate stop >/dev/null' EXIT
  "${as[@]}" "$bin/pg_ctl" -D "$data" -w -l "$data/log" \
    -o "-c port=5439 -c listen_addresses=127.0.0.1 -c shared_buffers=4GB -c max_wal_size=8GB -c unix_socket_directories=''" start >/dev/null
  export TEST_POSTGRES_URL='postgres://postgres@127.0.0.1:5439/postgres?sslmode=disable'
  go run -C bench ./growth -write "$root/docs"
)
