#!/usr/bin/env bash
# etcdctl 3.7.3: the command of `etcdctl watch KEY -- command…` gets the change in variables, but key, value and type are Go
# literals, with quotes around them and `\n` for a line end: `[ "$ETCD_WATCH_KEY" = k ]` is never true. ETCD_WATCH_REVISION is the
# revision of the answer, not of the change: in a watch from an old revision, all changes of an answer have the newest revision of
# the store.
#
# Seen (Linux, Go 1.26.8), with k changed at the revisions 2 and 3, and another key at 4:
#   type "PUT", key "k", value "one\ntwo", revision 4, the key is k: no
#   type "PUT", key "k", value "three", revision 4, the key is k: no
#
# Needs Go 1.26 and the loopback ports 27579 and 27580. Fails if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
member=""
watch=""
cleanup() {
  for process in $watch $member; do kill "$process" 2>/dev/null || true; done
  wait
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

./etcdctl put k $'one\ntwo' >/dev/null
./etcdctl put k three >/dev/null
./etcdctl put other four >/dev/null
cat >show <<'END'
is=no
if [ "$ETCD_WATCH_KEY" = k ]; then is=yes; fi
show="type $ETCD_WATCH_EVENT_TYPE, key $ETCD_WATCH_KEY, value $ETCD_WATCH_VALUE, revision $ETCD_WATCH_REVISION"
echo "$show, the key is k: $is" >>seen.txt
END
./etcdctl watch k --rev 1 -- bash show >/dev/null &
watch=$!
for _ in $(seq 100); do
  if [ "$(grep -c . seen.txt 2>/dev/null)" = 2 ]; then break; fi
  sleep 0.1
done
cat seen.txt
diff - seen.txt <<'END'
type "PUT", key "k", value "one\ntwo", revision 4, the key is k: no
type "PUT", key "k", value "three", revision 4, the key is k: no
END
