#!/usr/bin/env bash
# etcdctl 3.7.3: `etcdctl make-mirror --prefix p/` copies p/a to p/a. With `--rev N` in addition, which skips the first listing
# and copies the changes from that revision on, it copies p/a to a: keys lose the prefix. A mirror that is stopped and continued
# from a revision therefore writes to other keys, and overwrites existing keys of these names at the destination. Workaround:
# `--dest-prefix p/`.
#
# Seen (Linux, Go 1.26.8), keys at the destination:
#   make-mirror --prefix p/: p/a
#   make-mirror --prefix p/ --rev 2: a
#
# Needs Go 1.26 and the loopback ports 27379 to 27382. Fails if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
started=()
cleanup() {
  for process in "${started[@]}"; do kill "$process" 2>/dev/null || true; done
  wait
  rm -rf "$folder"
}
trap cleanup EXIT
cd "$folder"
go mod init finding >/dev/null 2>&1
go get go.etcd.io/etcd/server/v3@v3.7.3 go.etcd.io/etcd/etcdctl/v3@v3.7.3 >/dev/null 2>&1
go build -o etcd go.etcd.io/etcd/server/v3
go build -o etcdctl go.etcd.io/etcd/etcdctl/v3

# start PORT: a member with its clients at PORT and its peers at the next one
start() {
  local peers=http://127.0.0.1:$(($1 + 1))
  ./etcd --data-dir "data-$1" --listen-client-urls "http://127.0.0.1:$1" --advertise-client-urls "http://127.0.0.1:$1" \
    --listen-peer-urls "$peers" --initial-advertise-peer-urls "$peers" --initial-cluster "default=$peers" >"log-$1" 2>&1 &
  started+=($!)
  for _ in $(seq 100); do
    if grep -q "ready to serve client requests" "log-$1"; then break; fi
    sleep 0.1
  done
  grep -q "ready to serve client requests" "log-$1" # otherwise the ports are in use
}
start 27379
start 27381
at() { ./etcdctl --endpoints "127.0.0.1:$@"; }

# mirrored OPTION...: the keys at the destination once a mirror with these options has brought one
mirrored() {
  ./etcdctl --endpoints 127.0.0.1:27379 make-mirror "$@" 127.0.0.1:27381 >/dev/null 2>&1 &
  local mirror=$! keys=""
  started+=("$mirror")
  for _ in $(seq 100); do
    keys=$(at 27381 get "" --from-key --keys-only | grep . || true)
    if [ -n "$keys" ]; then break; fi
    sleep 0.1
  done
  kill "$mirror"
  wait "$mirror" || true
  at 27381 del "" --from-key >/dev/null
  echo "make-mirror $*: $keys"
}
at 27379 put p/a 1 >/dev/null
mirrored --prefix p/ >seen.txt
mirrored --prefix p/ --rev 2 >>seen.txt
cat seen.txt
diff - seen.txt <<'END'
make-mirror --prefix p/: p/a
make-mirror --prefix p/ --rev 2: a
END
