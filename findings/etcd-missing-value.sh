#!/usr/bin/env bash
# etcd 3.7.3: a condition on the value of a key that is not there is never met, whatever it asks: the value is neither equal to a text
# nor different from it. The other targets of such a key are 0, and compared as such. So `value(k) != "done"`, meant as "unless it is
# done", is not met before k is written for the first time; `version(k) = 0` has to be asked as well, in a transaction of its own.
#
# Seen (Linux, Go 1.26.8), conditions of `etcdctl txn` on a key that is not there:
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
grep -q "ready to serve client requests" log # or else the ports are taken

for condition in 'value("k") = "done"' 'value("k") != "done"' 'value("k") < "done"' 'value("k") > "done"' 'value("k") = ""' \
  'version("k") = "1"' 'version("k") != "1"'; do
  # Without operations of its own, a transaction prints only whether its condition is met.
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
