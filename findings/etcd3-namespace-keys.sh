#!/usr/bin/env bash
# npm etcd3 1.1.2: a client of `namespace(prefix)` removes the prefix from the keys that `getAll` and watchers return, but not
# from the keys of `get(key).exec()`, of previous values and of transactions. If a program uses a key of such an answer in the
# same namespace, the key gets the prefix twice, and is not found.
#
# Seen on Node 20.20.2, Linux, with etcd 3.7.3 and 3.4.23, in the namespace `app/` with the key `k`:
#   getAll: k
#   get: app/k
#   watch: k
#   previous value of a put: app/k
#   previous value of a delete: app/k
#   read in a transaction: app/k
#
# Needs Node, npm, etcd on the PATH and the loopback ports 27579 and 27580. Fails if the behaviour changes.
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

etcd --data-dir data --listen-client-urls http://127.0.0.1:27579 --advertise-client-urls http://127.0.0.1:27579 \
  --listen-peer-urls http://127.0.0.1:27580 --initial-advertise-peer-urls http://127.0.0.1:27580 \
  --initial-cluster default=http://127.0.0.1:27580 >log 2>&1 &
member=$!
for _ in $(seq 100); do
  if grep -qE "ready to serve client requests|serving insecure client requests" log 2>/dev/null; then break; fi
  sleep 0.1
done
grep -qE "ready to serve client requests|serving insecure client requests" log # otherwise the ports are in use

cat >keys.cjs <<'JS'
const { Etcd3 } = require("etcd3");

(async () => {
  const app = new Etcd3({ hosts: "127.0.0.1:27579" }).namespace("app/");
  const show = (what, kv) => console.log(`${what}: ${kv.key}`);
  await app.put("k").value("1");
  show("getAll", (await app.getAll().exec()).kvs[0]);
  show("get", (await app.get("k").exec()).kvs[0]);
  const watcher = await app.watch().key("k").create();
  const event = new Promise((resolve) => watcher.once("put", resolve));
  const previous = await app.put("k").value("2").getPrevious();
  show("watch", await event);
  show("previous value of a put", previous);
  show("previous value of a delete", (await app.delete().key("k").getPrevious())[0]);
  await app.put("k").value("3");
  const answer = await app.if("k", "Version", ">", 0).then(app.get("k")).commit();
  show("read in a transaction", answer.responses[0].response_range.kvs[0]);
  process.exit();
})();
JS
timeout 60 node keys.cjs | tee seen.txt
diff - seen.txt <<'END'
getAll: k
get: app/k
watch: k
previous value of a put: app/k
previous value of a delete: app/k
read in a transaction: app/k
END
