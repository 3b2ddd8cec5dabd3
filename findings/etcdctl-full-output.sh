#!/usr/bin/env bash
# etcdctl 3.7.3: an answer that cannot be written to standard output is lost without an error. `etcdctl get k >file` on a full
# disk exits with 0 and prints no error, so a script takes an empty file for a missing key.
#
# Seen (Linux, Go 1.26.8), with /dev/full as the full disk:
#   exit code 0, standard error: ""
#
# Needs Go 1.26 and the loopback ports 27379 and 27380. Fails if the behaviour changes.
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

./etcd --data-dir data --listen-client-urls http://127.0.0.1:27379 --advertise-client-urls http://127.0.0.1:27379 \
  --listen-peer-urls http://127.0.0.1:27380 --initial-advertise-peer-urls http://127.0.0.1:27380 \
  --initial-cluster default=http://127.0.0.1:27380 >log 2>&1 &
member=$!
for _ in $(seq 100); do
  if grep -q "ready to serve client requests" log; then break; fi
  sleep 0.1
done
grep -q "ready to serve client requests" log # otherwise the ports are in use
./etcdctl --endpoints 127.0.0.1:27379 put k v >/dev/null
code=0
./etcdctl --endpoints 127.0.0.1:27379 get k >/dev/full 2>err || code=$?
echo "exit code $code, standard error: \"$(cat err)\"" | tee seen.txt
echo 'exit code 0, standard error: ""' | diff - seen.txt
