#!/usr/bin/env bash
# npm etcd3 1.1.2: `client.close()` ends neither watchers nor leases. A watcher still receives events, and a lease is still
# renewed, so that its keys exist as long as the program runs. Both keep the program running. Workaround: cancel each watcher and
# revoke each lease before.
#
# Seen on Node 20.20.2, Linux, with etcd 3.7.3 and 3.4.23, 6 s after close():
#   the watcher has received: put
#   the key under a lease of 2 s: still there
#
# Needs Node, npm, etcd on the PATH and the loopback ports 27379 and 27380. Fails if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
member=""
cleanup() {
  if [ -n "$member" ]; then kill "$member" 2>/dev/null || true; wait "$member" 2>/dev/null || true; fi
  rm -rf "$folder"
}
trap cleanup EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund etcd3@1.1.2

etcd --data-dir data --listen-client-urls http://127.0.0.1:27379 --advertise-client-urls http://127.0.0.1:27379 \
  --listen-peer-urls http://127.0.0.1:27380 --initial-advertise-peer-urls http://127.0.0.1:27380 \
  --initial-cluster default=http://127.0.0.1:27380 >log 2>&1 &
member=$!
for _ in $(seq 100); do
  if grep -qE "ready to serve client requests|serving insecure client requests" log; then break; fi
  sleep 0.1
done
grep -qE "ready to serve client requests|serving insecure client requests" log # otherwise the ports are in use

cat >close.cjs <<'JS'
const { Etcd3 } = require("etcd3");

(async () => {
  const client = new Etcd3({ hosts: "127.0.0.1:27379" });
  const other = new Etcd3({ hosts: "127.0.0.1:27379" });
  const received = [];
  (await client.watch().key("watched").create()).on("put", () => received.push("put"));
  await client.lease(2).put("leased").value("v");
  client.close();
  await other.put("watched").value("v");
  await new Promise((resolve) => setTimeout(resolve, 6_000)); // three times the lease's time
  console.log(`the watcher has received: ${received.join(", ") || "nothing"}`);
  console.log(`the key under a lease of 2 s: ${(await other.get("leased").exists()) ? "still there" : "gone"}`);
  process.exit();
})();
JS
node close.cjs | tee seen.txt
cat >expected.txt <<'TXT'
the watcher has received: put
the key under a lease of 2 s: still there
TXT
diff expected.txt seen.txt
