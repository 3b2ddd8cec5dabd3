#!/usr/bin/env bash
# etcd 3.7.3: a condition on the value of a missing key is never met: its value is neither equal to a text nor different from it.
# The other targets of a missing key are 0, and are compared as 0. For example, `value(k) != "done"` is not met before k is
# written for the first time; a second transaction must check `version(k) = 0`.
#
# Seen (Linux, Go 1.26.8), conditions of `etcdctl txn` on a missing key:
#   value("k") = "done": FAILURE
#   value("k") != "done": FAILURE
#   value("k") < "done": FAILURE
#   value("k") > "done": FAILURE
#   value("k") = "": FAILURE
#   version("k") = "1": FAILURE
#   version("k") != "1": SUCCESS
#
# Needs Go 1.26 and the loopback ports 27579 and 27580. Fails if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
member=""
cleanup() {
  if [ -n "$member" ]; then kill "$member" 2>/dev/null || true; wait "$member" 2>/dev/null || true; fi
  rm -rf "$folder"
}
trap cleanup EXIT
cd "$folder"
go mod init finding >/dev/null 2>&1
go get go.etcd.io/etcd/server/v3@v3.7.3 go.etcd.io/etcd/etcdctl/v3@v3.7.3 >/dev/null 2>&1
go build -o etcd go.etcd.io/etcd/server/v3
go build -o etcdctl go.etcd.io/etcd/etcdctl/v3

./etcd --data-dir data --listen-client-urls http://127.0.0.1:27579 --advertise-client-urls http://127.0.0.1:27579 \
  --listen-peer-urls http://127.0.0.1:27580 --initial-advertise-peer-urls http://127.0.0.1:27580 \
  --initial-cluster default=http://127.0.0.1:27580 >log 2>&1 &
member=$!
for _ in $(seq 100); do
  if grep -q "ready to serve client requests" log 2>/dev/null; then break; fi
  sleep 0.1
done
grep -q "ready to serve client requests" log # otherwise the ports are in use

for condition in 'value("k") = "done"' 'value("k") != "done"' 'value("k") < "done"' 'value("k") > "done"' 'value("k") = ""' \
  'version("k") = "1"' 'version("k") != "1"'; do
  # The transactions have no operations, so that only the result of the condition is printed.
  met=$(printf '%s\n\n\n\n' "$condition" | ./etcdctl --endpoints 127.0.0.1:27579 txn | grep -o "SUCCESS\|FAILURE")
  echo "$condition: $met"
done | tee seen.txt
diff - seen.txt <<'END'
value("k") = "done": FAILURE
value("k") != "done": FAILURE
value("k") < "done": FAILURE
value("k") > "done": FAILURE
value("k") = "": FAILURE
version("k") = "1": FAILURE
version("k") != "1": SUCCESS
END
