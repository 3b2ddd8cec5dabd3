#!/usr/bin/env bash
# npm etcd3 1.1.2: acquiring a Lock object a second time while it holds the lock fails, as it should, with EtcdLockFailedError;
# but from then on `release()` does not release the lock, although it resolves. The object now refers to the lease of the second
# attempt, and the lease of the first is renewed as long as the program runs, so that no client can get the lock any more,
# independent of its ttl. For example, a job that starts each minute, by `lock.do(...)` of one Lock object, never runs again after
# the first run of more than a minute. Workaround: make a Lock for each attempt.
#
# Seen on Node 20.20.2, Linux, with etcd 3.7.3 and 3.4.23; a lock with a ttl of 2 s, asked for 6 s after both had ended:
#   one Lock for both: first done, second EtcdLockFailedError, then: EtcdLockFailedError
#   a Lock for each: first done, second EtcdLockFailedError, then: acquired
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

cat >lock.cjs <<'JS'
const { setTimeout: sleep } = require("node:timers/promises");
const { Etcd3 } = require("etcd3");

const outcome = (promise, word) =>
  promise.then(
    () => word,
    (error) => error.constructor.name,
  );

(async () => {
  const client = new Etcd3({ hosts: "127.0.0.1:27579" });
  const overlap = async (name, lockForFirst, lockForSecond) => {
    let end;
    const working = new Promise((resolve) => (end = resolve));
    let begin;
    const holding = new Promise((resolve) => (begin = resolve));
    const first = outcome(
      lockForFirst.do(() => {
        begin();
        return working;
      }),
      "done",
    );
    await holding;
    const second = await outcome(
      lockForSecond.do(() => undefined),
      "done",
    );
    end();
    const ends = `first ${await first}, second ${second}`;
    await sleep(6_000); // three times the ttl
    const later = await outcome(new Etcd3({ hosts: "127.0.0.1:27579" }).lock(name).acquire(), "acquired");
    return `${ends}, then: ${later}`;
  };
  const one = client.lock("one").ttl(2);
  console.log(`one Lock for both: ${await overlap("one", one, one)}`);
  console.log(`a Lock for each: ${await overlap("two", client.lock("two").ttl(2), client.lock("two").ttl(2))}`);
  process.exit();
})();
JS
timeout 60 node lock.cjs | tee seen.txt
diff - seen.txt <<'END'
one Lock for both: first done, second EtcdLockFailedError, then: EtcdLockFailedError
a Lock for each: first done, second EtcdLockFailedError, then: acquired
END
