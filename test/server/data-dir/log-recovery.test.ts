// A start recovers from a log and a store, wherever the previous run ended.
import { commandEntry, votersOnly } from "../../../testing/entries.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Entry, HardState, LogBase, LogIndex, Term } from "../../../raft/index.js";
import { StartError } from "../../../server/base/errors.js";
import { mustRestart, restartLog } from "../../../server/data-dir/log-recovery.js";
import { toMemberId } from "../../../testing/ids.js";

const position = (index: number, term: number, configuration = votersOnly(1n, 2n, 3n)): LogBase => ({
  index: index as LogIndex,
  term: term as Term,
  configuration,
});

const log = (base: LogBase, ...terms: number[]): { base: LogBase; entries: Entry[] } => ({
  base,
  entries: terms.map((term, n) => commandEntry(base.index + 1 + n, term, new Uint8Array())),
});

test("a store whose last entry is in the log, or just before it, continues with that log", () => {
  assert.equal(mustRestart(log(position(0, 0)), position(0, 0), undefined), false);
  assert.equal(mustRestart(log(position(0, 0), 2, 2, 3), position(2, 2), undefined), false);
  assert.equal(mustRestart(log(position(10, 3), 3, 4), position(10, 3), undefined), false);
  assert.equal(mustRestart(log(position(10, 3), 3, 4), position(12, 4), position(5, 2)), false);
});

test("after a crash between the store's switch and the log's restart, the log is restarted", () => {
  const installed = position(100, 7);
  assert.equal(mustRestart(log(position(0, 0), 2, 2), installed, installed), true, "the log ends before");
  assert.equal(
    mustRestart(log(position(98, 5), 6, 6), installed, installed),
    true,
    "what is there was never committed",
  );
  assert.equal(mustRestart(log(installed), installed, installed), false, "done already");
  assert.equal(
    mustRestart(log(position(99, 7), 7, 7), installed, installed),
    false,
    "the log has it: what follows stays",
  );
});

test("files that do not belong together are refused with the reason", () => {
  const assertRefused = (
    ...[recovered, contained, installed, reason]: [...Parameters<typeof mustRestart>, RegExp]
  ): void =>
    assert.throws(
      () => mustRestart(recovered, contained, installed),
      (error) => error instanceof StartError && reason.test(error.message),
    );
  assertRefused(log(position(10, 3), 3), position(9, 3), undefined, /only up to entry 9, but .* begins after entry 10/);
  assertRefused(log(position(0, 0), 2, 2), position(3, 2), undefined, /up to entry 3 of term 2, but .* ends at 2:/);
  assertRefused(
    log(position(0, 0), 2, 2),
    position(2, 3),
    undefined,
    /up to entry 2 of term 3, but .* has an entry of term 2/,
  );
  assertRefused(log(position(10, 3)), position(10, 4), undefined, /has an entry of term 3 there/);
  // An entry was applied after the installation, so the log existed, and is now missing.
  assertRefused(log(position(0, 0), 2, 2), position(8, 5), position(7, 5), /ends at 2/);
  assertRefused(log(position(0, 0), 2, 2), position(7, 6), position(7, 5), /ends at 2/);
});

test("a store with other members than the log is refused", () => {
  const two = votersOnly(1n, 2n);
  const recovered = log(position(10, 3), 3);
  assert.throws(() => mustRestart(recovered, position(10, 3, two), undefined), /different members as of entry 10/);
  const entry = { kind: "configuration", index: 11 as LogIndex, term: 3 as Term, configuration: two } as const;
  const changed = { ...recovered, entries: [entry] };
  assert.equal(mustRestart(changed, position(11, 3, two), undefined), false);
  assert.equal(mustRestart(changed, position(10, 3), undefined), false);
  assert.throws(() => mustRestart(changed, position(11, 3), undefined), /different members as of entry 11/);
});

test("the log keeps the member's term and vote, unless the snapshot is of a later term", async () => {
  const restarts: [LogBase, HardState][] = [];
  const wal = {
    restart: (base: LogBase, hardState: HardState, done: () => void) => {
      restarts.push([base, hardState]);
      done();
    },
  };
  const before = { term: 7 as Term, vote: toMemberId(3n), commit: 2 as LogIndex };
  const recovered = { ...log(position(0, 0), 2, 2), hardState: before, repaired: undefined };
  const kept = await restartLog(wal, recovered, position(100, 7));
  assert.deepEqual(kept, {
    base: position(100, 7),
    entries: [],
    hardState: { term: 7, vote: 3n, commit: 100 },
    repaired: undefined,
  });
  const raised = await restartLog(wal, recovered, position(100, 8));
  assert.deepEqual(raised.hardState, { term: 8, vote: 0n, commit: 100 });
  assert.deepEqual(restarts, [
    [kept.base, kept.hardState],
    [raised.base, raised.hardState],
  ]);
});
