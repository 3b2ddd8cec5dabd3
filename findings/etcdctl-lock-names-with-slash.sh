#!/usr/bin/env bash
# etcdctl 3.7.3, and also etcd's Go client and services: a lock named `jobs` waits while a client holds a lock named `jobs/7`,
# because the keys of both begin with `jobs/`. In the opposite case no client waits. In elections, the candidate of `jobs/7` is
# reported as the leader of `jobs`. The name of a lock must not be another lock's name followed by a slash: use `jobs:7`.
#
# Seen (Linux, Go 1.26.8):
#   lock jobs, while jobs/7 is held: waits
#   lock jobs/7, while jobs is held: taken
#   lock jobs, while jobs:7 is held: taken
#   leader of jobs, while seven leads jobs/7: seven
#
# Needs Go 1.26 and the loopback ports 27579 and 27580. Fails if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
member=""
candidate=""
cleanup() {
  for process in $candidate $member; do # in this order, because the candidate resigns
    kill "$process" 2>/dev/null || true
    wait "$process" 2>/dev/null || true
  done
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
export ETCDCTL_ENDPOINTS=127.0.0.1:27579

# try HELD NAME: runs while HELD is held
cat >try <<'END'
outcome=$(timeout 3 ./etcdctl lock "$2" -- echo taken 2>/dev/null || echo waits)
echo "lock $2, while $1 is held: $outcome"
END
{
  ./etcdctl lock jobs/7 -- bash try jobs/7 jobs
  ./etcdctl lock jobs -- bash try jobs jobs/7
  ./etcdctl lock jobs:7 -- bash try jobs:7 jobs
  ./etcdctl elect jobs/7 seven >/dev/null 2>&1 &
  candidate=$!
  for _ in $(seq 100); do
    if ./etcdctl get --prefix jobs/7/ --keys-only | grep -q .; then break; fi
    sleep 0.1
  done
  echo "leader of jobs, while seven leads jobs/7: $(timeout 2 ./etcdctl elect -l jobs | sed -n 2p)"
} >seen.txt
cat seen.txt
diff - seen.txt <<'END'
lock jobs, while jobs/7 is held: waits
lock jobs/7, while jobs is held: taken
lock jobs, while jobs:7 is held: taken
leader of jobs, while seven leads jobs/7: seven
END
