#!/usr/bin/env bash
# python etcd3gw 2.7.0: `with client.lock(name):` runs its block also if another client holds the lock. `acquire()` does not wait
# but returns False, and the `with` statement ignores the result. No exception is raised. Two programs with this statement run
# their blocks at the same time. Workaround: check `is_acquired()` inside the block.
#
# Seen (Linux, Python 3.11.7), with etcd 3.7.3 and 3.4.23:
#   first is inside, holds the lock: True
#   second is inside, holds the lock: False
#   first is inside, holds the lock: True
#
# Needs Python 3.11, pip, etcd on the PATH and the loopback ports 27579 and 27580. Fails if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
member=""
cleanup() {
  if [ -n "$member" ]; then kill "$member" 2>/dev/null || true; wait "$member" 2>/dev/null || true; fi
  rm -rf "$folder"
}
trap cleanup EXIT
cd "$folder"
python3 -m venv python >/dev/null
python/bin/pip install --quiet --disable-pip-version-check etcd3gw==2.7.0
cat >lock.py <<'END'
import etcd3gw

client = etcd3gw.client(host="127.0.0.1", port=27579, api_path="/v3/")
with client.lock("name", ttl=30) as first:
    print(f"first is inside, holds the lock: {first.is_acquired()}")
    with client.lock("name", ttl=30) as second:
        print(f"second is inside, holds the lock: {second.is_acquired()}")
    print(f"first is inside, holds the lock: {first.is_acquired()}")
END

etcd --data-dir data --listen-client-urls http://127.0.0.1:27579 --advertise-client-urls http://127.0.0.1:27579 \
  --listen-peer-urls http://127.0.0.1:27580 --initial-advertise-peer-urls http://127.0.0.1:27580 \
  --initial-cluster default=http://127.0.0.1:27580 >log 2>&1 &
member=$!
for _ in $(seq 100); do
  if grep -qE "ready to serve client requests|serving insecure client requests" log 2>/dev/null; then break; fi
  sleep 0.1
done
grep -qE "ready to serve client requests|serving insecure client requests" log # otherwise the ports are in use

python/bin/python lock.py | tee seen.txt
diff - seen.txt <<'END'
first is inside, holds the lock: True
second is inside, holds the lock: False
first is inside, holds the lock: True
END
