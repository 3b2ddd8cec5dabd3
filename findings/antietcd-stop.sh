#!/usr/bin/env bash
# npm antietcd 1.3.1, embedded: `await server.stop()` leaves its port open. Requests to the port get 502. The next server cannot
# bind it, which is an uncaught error, not a rejection of `start()`. The program does not end. In tests, also close the field
# `server`, an http.Server.
#
# Seen on Node 20.20.2, Linux:
#   after stop(): the port answers with 502
#   a second server on the port: start() has resolved, then EADDRINUSE as an uncaught exception
#   a program whose server has stopped: still runs after 3 s
#
# Needs Node, npm and the loopback port 27379. Fails if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts --omit=optional antietcd@1.3.1

cat >stop.cjs <<'JS'
const AntiEtcd = require("antietcd");
const { once } = require("node:events");

const options = { ip: "127.0.0.1", port: 27379 };

(async () => {
  const server = new AntiEtcd({ ...options });
  await server.start();
  if (!server.server.listening) await once(server.server, "listening");
  await server.stop();
  const headers = { "content-type": "application/json" };
  const range = { method: "POST", headers, body: JSON.stringify({ key: "YQ==" }) };
  const { status } = await fetch("http://127.0.0.1:27379/v3/kv/range", range);
  console.log(`after stop(): the port answers with ${status}`);
  if (process.argv[2] === "alone") return;
  let started = "has not resolved";
  process.once("uncaughtException", ({ code }) => {
    console.log(`a second server on the port: start() ${started}, then ${code} as an uncaught exception`);
    process.exit();
  });
  await new AntiEtcd({ ...options }).start();
  started = "has resolved";
})();
JS
{
  node stop.cjs
  code=0
  timeout 3 node stop.cjs alone >/dev/null || code=$?
  if [ "$code" = 124 ]; then echo "a program whose server has stopped: still runs after 3 s"; fi
} | tee seen.txt
cat >expected.txt <<'TXT'
after stop(): the port answers with 502
a second server on the port: start() has resolved, then EADDRINUSE as an uncaught exception
a program whose server has stopped: still runs after 3 s
TXT
diff expected.txt seen.txt
