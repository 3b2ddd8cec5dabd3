#!/usr/bin/env bash
# etcdctl 3.7.3: the variable ETCDCTL_COMMAND_TIMEOUT has no effect on `get`, although every flag of etcdctl can be given as a variable:
# the time-out of most commands stays 5 s. The flag `--command-timeout` works.
#
# Seen (Linux, Go 1.26.8), with no server at the endpoint:
#   ETCDCTL_COMMAND_TIMEOUT=1s: gave up after 4 s or more
#   --command-timeout=1s: gave up before 4 s
#
# Needs Go 1.26 and no server at the loopback port 27379. Fails if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
go mod init finding >/dev/null 2>&1
go get go.etcd.io/etcd/etcdctl/v3@v3.7.3 >/dev/null 2>&1
go build -o etcdctl go.etcd.io/etcd/etcdctl/v3

# measure COMMAND...
measure() {
  local begin=$SECONDS
  "$@" >/dev/null 2>&1 && echo "succeeded" && return
  if [ $((SECONDS - begin)) -ge 4 ]; then echo "gave up after 4 s or more"; else echo "gave up before 4 s"; fi
}
{
  echo "ETCDCTL_COMMAND_TIMEOUT=1s: $(measure env ETCDCTL_COMMAND_TIMEOUT=1s ./etcdctl --endpoints 127.0.0.1:27379 get k)"
  echo "--command-timeout=1s: $(measure ./etcdctl --endpoints 127.0.0.1:27379 --command-timeout=1s get k)"
} | tee seen.txt
diff - seen.txt <<'END'
ETCDCTL_COMMAND_TIMEOUT=1s: gave up after 4 s or more
--command-timeout=1s: gave up before 4 s
END
