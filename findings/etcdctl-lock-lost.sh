#!/usr/bin/env bash
# etcdctl 3.7.3: `etcdctl lock NAME command…` does not react when its lock is lost. If the lease of its key is revoked or expires
# while the command runs, a second `etcdctl lock` of that name begins its command while the first continues; nothing is printed,
# and the exit code is 0. Two commands may run at once without noticing. A command that must not do that can compare the key in
# its transactions.
#
# Seen (Linux, Go 1.26.8):
#   first begins
#   second begins
#   first ends
#   exit code of the first 0, standard error ""
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
export ETCDCTL_ENDPOINTS=127.0.0.1:27379

# The key of a lock is NAME/LEASE. The first command revokes its own lease, as if renewals had failed for too long.
cat >first <<'END'
echo first begins
lease=$(./etcdctl get --prefix --keys-only work/ | sed -n 's|^work/||p')
./etcdctl lease revoke "$lease" >/dev/null
./etcdctl lock work -- echo second begins
echo first ends
END
code=0
./etcdctl lock work -- bash first >seen.txt 2>err || code=$?
echo "exit code of the first $code, standard error \"$(cat err)\"" >>seen.txt
cat seen.txt
diff - seen.txt <<'END'
first begins
second begins
first ends
exit code of the first 0, standard error ""
END
