#!/usr/bin/env bash
# npm etcd3 1.1.2: a put whose answer is lost is sent again, by default up to three times, also if etcd has executed it. A value
# that another client has written meanwhile is then overwritten. A transaction is repeated as well, and its result is that of the
# last attempt: a transaction that creates a key if it is missing reports that it has not succeeded, although it has. Workaround:
# turn the repetition off with `faultHandling`.
#
# Seen on Node 20.20.2, Linux, with etcd 3.7.3 and 3.4.23, with the connection cut instead of the first answer:
#   put: resolved; puts made: 2
#   transaction that creates a key: succeeded: false; keys made: 1
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

cat >repeat.cjs <<'JS'
const net = require("node:net");
const { Etcd3 } = require("etcd3");

const cutter = { next: false };
/** Passes connections on to etcd; once asked to, cuts one instead of passing an answer on. */
const proxy = net.createServer((near) => {
  const far = net.connect(27379, "127.0.0.1");
  for (const socket of [near, far]) socket.on("error", () => undefined);
  near.on("close", () => far.destroy());
  near.pipe(far);
  far.on("data", (data) => {
    // Frames without data, such as settings and the acknowledgement of a ping, are shorter than any answer.
    const isAnswer = data.length > 40;
    if (!cutter.next || !isAnswer) return near.write(data);
    cutter.next = false;
    near.destroy();
  });
});

proxy.listen(0, "127.0.0.1", async () => {
  const client = new Etcd3({ hosts: `127.0.0.1:${proxy.address().port}` });
  const direct = new Etcd3({ hosts: "127.0.0.1:27379" });
  await client.get("put"); // connects
  cutter.next = true;
  await client.put("put").value("v");
  const [{ version }] = (await direct.get("put").exec()).kvs;
  console.log(`put: resolved; puts made: ${version}`);

  await client.get("put");
  cutter.next = true;
  const { succeeded } = await client.if("created", "Create", "==", 0).then(client.put("created").value("v")).commit();
  const made = await direct.getAll().prefix("created").count();
  console.log(`transaction that creates a key: succeeded: ${succeeded}; keys made: ${made}`);
  process.exit();
});
JS
node repeat.cjs | tee seen.txt
cat >expected.txt <<'TXT'
put: resolved; puts made: 2
transaction that creates a key: succeeded: false; keys made: 1
TXT
diff expected.txt seen.txt
