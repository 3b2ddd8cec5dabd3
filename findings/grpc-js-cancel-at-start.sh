#!/usr/bin/env bash
# @grpc/grpc-js 1.14.7: a stream that the client cancels in the turn of the event loop in which it was made, on an open
# connection, is nevertheless opened at the server, and stays open. The client's call ends with CANCELLED; the server sees no
# cancellation before the connection closes. A call that is cancelled three microtasks later is reset as expected.
#
# Seen on Node 20.20.2, Linux:
#   cancelled after 0 microtasks: status 1, opened at the server, cancelled at the server: no
#   cancelled after 3 microtasks: status 1, opened at the server, cancelled at the server: yes
#
# Needs Node and npm. Fails if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @grpc/grpc-js@1.14.7

cat >cancel.cjs <<'JS'
const { Client, Server, ServerCredentials, credentials } = require("@grpc/grpc-js");

const asItIs = (bytes) => bytes;
const server = new Server();
let opened = false;
let cancelled = false;
const handler = (call) => {
  opened = true;
  call.on("cancelled", () => (cancelled = true));
  call.on("data", () => undefined);
};
server.register("/test.Service/Stream", handler, asItIs, asItIs, "bidi");

const cancelAfter = (client, microtasks) =>
  new Promise((resolve) => {
    const call = client.makeBidiStreamRequest("/test.Service/Stream", asItIs, asItIs);
    call.on("error", () => undefined);
    call.on("status", ({ code }) => resolve(code));
    const wait = (left) => (left === 0 ? call.cancel() : void Promise.resolve().then(() => wait(left - 1)));
    wait(microtasks);
  });

server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), async (_error, port) => {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  await new Promise((resolve) => client.waitForReady(Date.now() + 5_000, resolve));
  for (const microtasks of [0, 3]) {
    opened = cancelled = false;
    const status = await cancelAfter(client, microtasks);
    await new Promise((resolve) => setTimeout(resolve, 1_000)); // a reset would have come long before
    const answers = [opened ? "opened at the server" : "not opened", `cancelled at the server: ${cancelled ? "yes" : "no"}`];
    console.log(`cancelled after ${microtasks} microtasks: status ${status}, ${answers.join(", ")}`);
  }
  client.close();
  server.forceShutdown();
});
JS
node cancel.cjs | tee seen.txt
cat >expected.txt <<'TXT'
cancelled after 0 microtasks: status 1, opened at the server, cancelled at the server: no
cancelled after 3 microtasks: status 1, opened at the server, cancelled at the server: yes
TXT
diff expected.txt seen.txt
