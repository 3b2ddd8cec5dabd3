#!/usr/bin/env bash
# npm etcd3 1.1.2: a request that the client itself cannot encode, such as `cluster.memberList()` without its argument, is tried
# four times and opens the circuit breaker of the server. For 5 s every other request of the client fails, although no request was
# sent to the server: one invalid request makes the valid requests of all parts of the program fail that share the client.
#
# Seen on Node 20.20.2, Linux, with etcd 3.4.23:
#   memberList(): GRPCInternalError
#   put, at once: BrokenCircuitError
#   memberList({}), 6 s later: answered
#   put, after it: answered
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

cat >breaker.cjs <<'JS'
const { Etcd3 } = require("etcd3");

(async () => {
  const client = new Etcd3({ hosts: "127.0.0.1:27379" });
  const tell = (what, request) =>
    request().then(
      () => console.log(`${what}: answered`),
      (error) => console.log(`${what}: ${error.constructor.name}`),
    );
  await client.put("key").value("value");
  await tell("memberList()", () => client.cluster.memberList());
  await tell("put, at once", () => client.put("key").value("value"));
  await new Promise((resolve) => setTimeout(resolve, 6_000)); // the breaker stays open for 5 s
  await tell("memberList({}), 6 s later", () => client.cluster.memberList({}));
  await tell("put, after it", () => client.put("key").value("value"));
  process.exit();
})();
JS
node breaker.cjs | tee seen.txt
cat >expected.txt <<'TXT'
memberList(): GRPCInternalError
put, at once: BrokenCircuitError
memberList({}), 6 s later: answered
put, after it: answered
TXT
diff expected.txt seen.txt
