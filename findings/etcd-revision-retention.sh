#!/usr/bin/env bash
# etcd 3.7.3: with --auto-compaction-mode=revision, --auto-compaction-retention is a number of revisions, but is stored and logged
# as a duration in nanoseconds. A duration is accepted without a warning: 5m means 300 000 000 000 revisions, so that nothing is
# compacted; 1000 revisions are logged as one microsecond.
#
# Seen (Linux, Go 1.26.8), from etcd's line "starting an etcd server":
#   retention 1000: "auto-compaction-mode":"revision","auto-compaction-retention":"1µs"
#   retention 5m: "auto-compaction-mode":"revision","auto-compaction-retention":"5m0s"
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
go get go.etcd.io/etcd/server/v3@v3.7.3 >/dev/null 2>&1
go build -o etcd go.etcd.io/etcd/server/v3

logged() {
  ./etcd --data-dir "data-$1" --listen-client-urls http://127.0.0.1:27379 --advertise-client-urls http://127.0.0.1:27379 \
    --listen-peer-urls http://127.0.0.1:27380 --initial-advertise-peer-urls http://127.0.0.1:27380 \
    --initial-cluster default=http://127.0.0.1:27380 \
    --auto-compaction-mode=revision --auto-compaction-retention="$1" >"log-$1" 2>&1 &
  member=$!
  for _ in $(seq 100); do
    if grep -q "ready to serve client requests" "log-$1"; then break; fi
    sleep 0.1
  done
  grep -q "ready to serve client requests" "log-$1" # otherwise the ports are in use
  kill "$member"
  wait "$member" 2>/dev/null || true
  member=""
  grep -q "ready to serve client requests" "log-$1"
  echo "retention $1: $(grep -o '"auto-compaction-mode":"[^"]*","auto-compaction-retention":"[^"]*"' "log-$1" | head -n 1)"
}

{
  logged 1000
  logged 5m
} | tee seen.txt
cat >expected.txt <<'TXT'
retention 1000: "auto-compaction-mode":"revision","auto-compaction-retention":"1µs"
retention 5m: "auto-compaction-mode":"revision","auto-compaction-retention":"5m0s"
TXT
diff expected.txt seen.txt
