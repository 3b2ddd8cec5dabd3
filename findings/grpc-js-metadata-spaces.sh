#!/usr/bin/env bash
# @grpc/grpc-js 1.14.7: a metadata value that begins or ends with a space does not arrive, not even trimmed: its key is missing,
# in both directions, and the call succeeds. `Metadata` accepts such values, but Node's HTTP/2 drops the whole header field on the
# receiving side. For example, a token that was read from a file with a space at its end is missing at the server. Workaround:
# trim values before, or use a key that ends with `-bin`.
#
# Seen on Node 20.20.2, Linux: the sent values, and the received values:
#   "a b": at the server ["a b"], back at the client ["a b"]
#   " a": at the server [], back at the client []
#   "a ": at the server [], back at the client []
#
# Needs Node and npm. Fails if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @grpc/grpc-js@1.14.7

cat >spaces.cjs <<'JS'
const { Client, Metadata, Server, ServerCredentials, credentials } = require("@grpc/grpc-js");

const asItIs = (bytes) => bytes;
const server = new Server();
let value = "";
let received = [];
const handler = (call, answer) => {
  received = call.metadata.get("key");
  const metadata = new Metadata();
  metadata.set("key", value);
  call.sendMetadata(metadata);
  answer(null, Buffer.from("done"));
};
server.register("/test.Service/Call", handler, asItIs, asItIs, "unary");

const call = (client) =>
  new Promise((resolve, reject) => {
    let back = [];
    const metadata = new Metadata();
    metadata.set("key", value);
    client
      .makeUnaryRequest("/test.Service/Call", asItIs, asItIs, Buffer.from("call"), metadata, (error) =>
        error ? reject(error) : resolve(back),
      )
      .on("metadata", (answer) => (back = answer.get("key")));
  });

server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), async (_error, port) => {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  for (value of ["a b", " a", "a "]) {
    const back = await call(client);
    console.log(
      `${JSON.stringify(value)}: at the server ${JSON.stringify(received)}, back at the client ${JSON.stringify(back)}`,
    );
  }
  client.close();
  server.forceShutdown();
});
JS
node spaces.cjs | tee seen.txt
diff - seen.txt <<'END'
"a b": at the server ["a b"], back at the client ["a b"]
" a": at the server [], back at the client []
"a ": at the server [], back at the client []
END
