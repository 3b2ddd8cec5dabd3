#!/usr/bin/env bash
# npm etcd3 1.1.2: a software transaction that reads one key and writes another fails with STMConflictError in every attempt,
# without writes of other clients, if the written key was changed after the key that is read. Even the example of its
# documentation, which moves an amount between two accounts, fails if the accounts were created by two puts. The default
# isolation, SerializableSnapshot, requires that no written key has changed since the oldest modification of a key that was read;
# correct would be: since the revision of the first read. etcd's Go client had the same bug until 2017 (etcd pull request 8439).
#
# Seen on Node 20.20.2, Linux, with etcd 3.7.3 and 3.4.23:
#   account2 is newer than account1: STMConflictError after 4 runs
#   both were changed in one transaction: done after 1 run
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

cat >stm.cjs <<'JS'
const { Etcd3 } = require("etcd3");

const client = new Etcd3({ hosts: "127.0.0.1:27379" });

/** Moves 1 from account1 to account2, as the example of SoftwareTransaction does. */
const transfer = async () => {
  let runs = 0;
  const move = async (tx) => {
    runs++;
    const [first, second] = await Promise.all([tx.get("account1").number(), tx.get("account2").number()]);
    await Promise.all([tx.put("account1").value(first - 1), tx.put("account2").value(second + 1)]);
  };
  const outcome = await client
    .stm()
    .transact(move)
    .then(
      () => "done",
      (error) => error.constructor.name,
    );
  return `${outcome} after ${runs} run${runs === 1 ? "" : "s"}`;
};

(async () => {
  await client.put("account1").value(10);
  await client.put("account2").value(10);
  console.log(`account2 is newer than account1: ${await transfer()}`);
  await client
    .if("account1", "Version", ">", 0)
    .then(client.put("account1").value(10), client.put("account2").value(10))
    .commit();
  console.log(`both were changed in one transaction: ${await transfer()}`);
  client.close();
})();
JS
node stm.cjs | tee seen.txt
cat >expected.txt <<'TXT'
account2 is newer than account1: STMConflictError after 4 runs
both were changed in one transaction: done after 1 run
TXT
diff expected.txt seen.txt
