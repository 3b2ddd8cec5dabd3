#!/usr/bin/env bash
# npm etcd3 1.1.2: a watcher that loses its connection while it is catching up continues without the events in between, and
# reports no error. The client takes the revision in the header of each answer, including the first ("created"), as received; but
# while a watcher catches up, that is the newest revision of the store, and etcd sends the history in answers of at most 1 000
# revisions.
#
# Seen on Node 20.20.2, Linux, with etcd 3.7.3 and 3.4.23, with 3 000 puts and one more after the reconnection:
#   connection kept: 3001 of 3001 puts
#   connection cut once: 1001 of 3001 puts, no error, last: yes
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

cat >watch.cjs <<'JS'
const net = require("node:net");
const { Etcd3 } = require("etcd3");

/** Passes connections on to etcd; cuts the first one after so many bytes of answers. */
const proxy = (bytes) =>
  new Promise((resolve) => {
    let left = bytes;
    const server = net.createServer((near) => {
      const far = net.connect(27379, "127.0.0.1");
      for (const socket of [near, far]) socket.on("error", () => undefined);
      near.on("close", () => far.destroy());
      near.pipe(far);
      far.on("data", (data) => {
        near.write(data);
        const isOver = left > 0 && left <= data.length;
        left -= data.length;
        if (!isOver) return;
        far.destroy();
        near.end(); // after all buffered data has been sent
      });
    });
    server.listen(0, "127.0.0.1", () => resolve(server.address().port));
  });

const direct = new Etcd3({ hosts: "127.0.0.1:27379" });

(async () => {
  for (let number = 0; number < 3_000; number++) await direct.put("key").value(`${number}`.padStart(100, "0"));
  const start = (await direct.get("key").exec()).kvs[0].create_revision;
  const watch = async (bytes) => {
    const client = new Etcd3({ hosts: `127.0.0.1:${await proxy(bytes)}` });
    const seen = { puts: 0, errors: 0, connected: 0, last: "no" };
    const watcher = await client.watch().key("key").startRevision(start).create();
    watcher.on("put", ({ value }) => {
      seen.puts++;
      if (value.toString() === "last") seen.last = "yes";
    });
    watcher.on("error", () => seen.errors++);
    watcher.on("connected", () => seen.connected++);
    return seen;
  };
  const kept = await watch(0);
  const cut = await watch(200_000); // one answer of 1 000 revisions and part of the second
  while (cut.connected === 0 || kept.puts < 3_000) await new Promise((resolve) => setTimeout(resolve, 100));
  await direct.put("key").value("last");
  while (cut.last === "no" || kept.last === "no") await new Promise((resolve) => setTimeout(resolve, 100));
  console.log(`connection kept: ${kept.puts} of 3001 puts`);
  console.log(`connection cut once: ${cut.puts} of 3001 puts, ${cut.errors || "no"} error, last: ${cut.last}`);
  process.exit();
})();
JS
timeout 60 node watch.cjs | tee seen.txt
cat >expected.txt <<'TXT'
connection kept: 3001 of 3001 puts
connection cut once: 1001 of 3001 puts, no error, last: yes
TXT
diff expected.txt seen.txt
