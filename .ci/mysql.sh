# The stores' tests on MySQL itself: .ci/run has MariaDB. Debian has MySQL in unstable
# only, whose libraries are newer than others'. So this makes a small unstable Debian.

find_debootstrap() { PATH=$PATH:/usr/sbin command -v debootstrap; }

# run_mysql starts a MySQL of its own, and runs the store's tests, the scenarios and the
# crash harness on it. It needs root.
run_mysql() {
  local port=13306 mysqld=(chroot "$work/mysql" mysqld --no-defaults --user=root --datadir=/data --secure-file-priv=NULL)
  install_package debootstrap debootstrap find_debootstrap
  debootstrap --variant=minbase --include=mysql-server-core sid "$work/mysql" http://deb.debian.org/debian >"$work/mysql.log" 2>&1 ||
    fail "no MySQL: $(tail -n 5 "$work/mysql.log")"
  mkdir "$work/mysql/data"
  echo 'CREATE DATABASE test' >"$work/mysql/init.sql"
  "${mysqld[@]}" --version
  "${mysqld[@]}" --initialize-insecure >"$work/mysql.log" 2>&1 || fail "$(tail -n 5 "$work/mysql.log")"
  "${mysqld[@]}" --bind-address=127.0.0.1 --port=$port --mysqlx=OFF --socket=/tmp/mysqld --init-file=/init.sql >"$work/mysql.log" 2>&1 &
  local server=$!
  trap "kill $server; wait $server" EXIT
  until grep -q "ready for connections.* port: $port" "$work/mysql.log"; do
    kill -0 $server || fail "MySQL does not start: $(tail -n 5 "$work/mysql.log")"
    sleep 1
  done
  export TEST_MYSQL_URL="root@tcp(127.0.0.1:$port)/test"

  local m others='Postgre|SQLite|PgBouncer|/Postgre|/SQLite|//Postgre|//SQLite|//memory'
  for m in webhook/inbox/sqlstore webhook/inbox/scenarios; do
    (cd "$m" && go test -skip="$others" -count=1 -timeout=20m -json . | "$work/bin/testreport" -name "$m" -tally "$tally")
  done
  (cd internal/chaos && go build -o "$work/chaos" .)
  "$work/chaos" -store mysql || fail "the crash harness: see the ledger above; its seed repeats the faults"
}
