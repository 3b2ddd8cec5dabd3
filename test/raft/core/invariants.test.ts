// Messages that a core must never accept: it stops, and does not continue with a broken log.
import { votersOnly } from "../../../testing/entries.js";
import assert from "node:assert/strict";
import test from "node:test";
import { RaftCore } from "../../../raft/core/core.js";
import {
  logStart,
  type LogIndex,
  type LogPosition,
  type MemberId,
  type Term,
  noMember,
} from "../../../raft/core/ids.js";
import type { Entry, HardState, PeerMessage } from "../../../raft/core/types.js";
import { toMemberId } from "../../../testing/ids.js";

const entry = (index: number, term: number): Entry => ({
  kind: "command",
  index: index as LogIndex,
  term: term as Term,
  data: new Uint8Array([index]),
});

/** Returns member 1 of 3, recovered from the given state. */
const recoverCore = (options: {
  base?: LogPosition;
  entries?: readonly Entry[];
  hardState?: HardState;
  applied?: number;
}): RaftCore =>
  new RaftCore({
    id: toMemberId(1n),
    recovered: {
      hardState: options.hardState ?? { term: 2 as Term, vote: noMember, commit: 0 as LogIndex },
      base: { ...(options.base ?? logStart), configuration: votersOnly(1n, 2n, 3n) },
      entries: options.entries ?? [entry(1, 1), entry(2, 2)],
    },
    applied: (options.applied ?? 0) as LogIndex,
    heartbeatTicks: 10,
    electionTicks: 100,
    random: () => 0,
  });

const append = (term: number, entries: readonly Entry[], commit = 0): PeerMessage => ({
  kind: "append",
  term: term as Term,
  prevIndex: 0 as LogIndex,
  prevTerm: 0 as Term,
  commit: commit as LogIndex,
  entries,
});

const hear = (core: RaftCore, from: MemberId, message: PeerMessage): void =>
  core.step({ kind: "receive", from, message });

const assertStops = (act: () => unknown, why: RegExp): void =>
  assert.throws(act, { name: "InvariantError", message: why });

test("two leaders in one term break an invariant", () => {
  const core = recoverCore({});
  hear(core, toMemberId(2n), append(3, []));
  assertStops(() => hear(core, toMemberId(3n), append(3, [])), /two leaders/);
});

test("two leaders in one term break an invariant, also after the first one's link closed", () => {
  const core = recoverCore({});
  hear(core, toMemberId(2n), append(3, []));
  core.step({ kind: "linkClosed", peer: toMemberId(2n) });
  assertStops(() => hear(core, toMemberId(3n), append(3, [])), /two leaders/);
});

test("an append that replaces a committed entry breaks an invariant", () => {
  const core = recoverCore({});
  hear(core, toMemberId(2n), append(3, [entry(1, 1), entry(2, 2)], 2));
  assertStops(() => hear(core, toMemberId(2n), append(3, [entry(1, 1), entry(2, 3)])), /conflict at 2/);
});

test("a heartbeat with a commit index beyond the log breaks an invariant", () => {
  const core = recoverCore({});
  const heartbeat = { kind: "heartbeat", term: 3 as Term, commit: 3 as LogIndex, round: 1 } as const;
  assertStops(() => hear(core, toMemberId(2n), heartbeat), /commit 3 past the end/);
});

test("an append with a gap breaks an invariant", () => {
  assertStops(() => hear(recoverCore({}), toMemberId(2n), append(3, [entry(2, 2)])), /gap/);
});

test("an inconsistent recovered state breaks an invariant", () => {
  assertStops(() => recoverCore({ entries: [entry(1, 1), entry(3, 1)] }), /entry 3 after 1/);
  assertStops(() => recoverCore({ entries: [entry(1, 2), entry(2, 1)] }), /term 1 after term 2/);
  assertStops(() => recoverCore({ entries: [entry(1, 3)] }), /later term/);
  assertStops(() => recoverCore({ applied: 3 }), /commit 3 past the end/);
  const base = { index: 2 as LogIndex, term: 2 as Term };
  assertStops(() => recoverCore({ base, entries: [entry(3, 2)], applied: 1 }), /begins after what is applied/);
  assertStops(() => recoverCore({ base, entries: [entry(4, 2)], applied: 2 }), /entry 4 after 2/);
  assertStops(() => recoverCore({ base, entries: [entry(3, 1)], applied: 2 }), /term 1 after term 2/);
});

const snapshot = (from: MemberId, leaderTerm: number, index: number, term: number) =>
  ({
    kind: "snapshotReceived",
    from,
    leaderTerm: leaderTerm as Term,
    position: { index: index as LogIndex, term: term as Term },
  }) as const;

test("a snapshot of a second leader in one term, or of a later term than its leader's, breaks an invariant", () => {
  const core = recoverCore({});
  hear(core, toMemberId(2n), append(3, []));
  assertStops(() => core.step(snapshot(toMemberId(3n), 3, 9, 3)), /two leaders/);
  assertStops(() => recoverCore({}).step(snapshot(toMemberId(3n), 3, 9, 4)), /later term/);
});

test("the end of an installation that was not handed out breaks an invariant", () => {
  const core = recoverCore({});
  assertStops(() => core.step({ kind: "snapshotInstalled", configuration: votersOnly(1n) }), /did not begin/);
  core.step(snapshot(toMemberId(2n), 2, 9, 2));
  assertStops(() => core.step({ kind: "snapshotInstalled", configuration: votersOnly(1n) }), /did not begin/);
});

test("a deposed leader reports no needed snapshot", () => {
  const core = recoverCore({ base: { index: 2 as LogIndex, term: 2 as Term }, entries: [], applied: 2 });
  const saveAll = (): void => {
    for (let unsaved = core.takeUnsaved(); unsaved !== undefined; unsaved = core.takeUnsaved()) core.onSaved(unsaved);
  };
  for (let tick = 0; tick < 10; tick++) core.step({ kind: "tick" });
  hear(core, toMemberId(2n), { kind: "preVoteReply", term: 3 as Term, granted: true });
  saveAll();
  hear(core, toMemberId(2n), { kind: "voteReply", term: 3 as Term, granted: true });
  core.takeMessages();
  const refuseAppend = (): void =>
    hear(core, toMemberId(3n), {
      kind: "appendReply",
      term: 3 as Term,
      accepted: false,
      index: 2 as LogIndex,
      hintIndex: 0 as LogIndex,
      hintTerm: 0 as Term,
    });
  refuseAppend();
  assert.deepEqual(core.takeNotices(), [{ kind: "snapshotNeeded", peer: 3n }]);
  core.step({ kind: "snapshotEnded", peer: toMemberId(3n) });
  core.takeMessages();
  refuseAppend();
  hear(core, toMemberId(2n), append(4, []));
  assert.deepEqual(core.takeNotices(), []);
});

test("a second write beside one under way, or the end of a write that did not begin, breaks an invariant", () => {
  const core = recoverCore({});
  hear(core, toMemberId(2n), append(3, []));
  const unsaved = core.takeUnsaved();
  assert.ok(unsaved);
  assertStops(() => core.takeUnsaved(), /second write/);
  assertStops(() => core.onSaved({ ...unsaved }), /did not begin/);
});

test("the votes of members outside the configuration do not count", () => {
  const core = recoverCore({});
  for (let tick = 0; tick < 10; tick++) core.step({ kind: "tick" });
  for (const stranger of [8n, 9n])
    hear(core, toMemberId(stranger), { kind: "preVoteReply", term: 3 as Term, granted: true });
  assert.deepEqual([core.status().role, core.status().term], ["preCandidate", 2]);
  hear(core, toMemberId(2n), { kind: "preVoteReply", term: 3 as Term, granted: true });
  assert.equal(core.status().role, "candidate");
});

test("a leader outside this member's configuration is followed: it may know a later one", () => {
  const core = recoverCore({});
  hear(core, toMemberId(9n), append(7, [entry(1, 7)], 1));
  assert.deepEqual([core.status().term, core.status().leader], [7, 9n]);
});

test("applied entries are committed and not handed out again", () => {
  const core = recoverCore({ applied: 1 });
  assert.equal(core.status().commit, 1);
  assert.deepEqual(core.takeCommitted(), []);
  const hardState = { term: 2 as Term, vote: noMember, commit: 2 as LogIndex };
  assert.deepEqual(recoverCore({ applied: 1, hardState }).takeCommitted(), [entry(2, 2)]);
});

test("a new commit index alone causes no write", () => {
  const core = recoverCore({ hardState: { term: 3 as Term, vote: toMemberId(2n), commit: 0 as LogIndex } });
  const heartbeat = { kind: "heartbeat", term: 3 as Term, commit: 2 as LogIndex, round: 1 } as const;
  hear(core, toMemberId(2n), heartbeat);
  assert.equal(core.status().commit, 2);
  assert.equal(core.takeUnsaved(), undefined);
  // The commit index is written with the next entries.
  hear(core, toMemberId(2n), { ...append(3, [entry(1, 1), entry(2, 2), entry(3, 3)]) });
  assert.deepEqual(core.takeUnsaved()?.hardState, { term: 3, vote: 2n, commit: 2 });
});
