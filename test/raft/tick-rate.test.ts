import { votersOnly } from "../../testing/entries.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import { logStart, RaftCore, RaftNode, tickMs, type HardState, type LogIndex, type Term } from "../../raft/index.js";
import { VirtualClock } from "../../testing/virtual-clock.js";
import { toMemberId } from "../../testing/ids.js";

/** A clock that counts its callbacks. */
class CountingClock extends VirtualClock {
  wakeUps = 0;

  override every(ms: number, callback: () => void): () => void {
    return super.every(ms, () => {
      this.wakeUps += 1;
      callback();
    });
  }
}

const follower = (heartbeatTicks: number): { clock: CountingClock; node: RaftNode; hearLeader: () => void } => {
  const clock = new CountingClock();
  const hardState: HardState = { term: 1 as Term, vote: toMemberId(0n), commit: 0 as LogIndex };
  const electionTicks = 10 * heartbeatTicks;
  const core = new RaftCore({
    id: toMemberId(1n),
    recovered: { hardState, base: { ...logStart, configuration: votersOnly(1n, 2n, 3n) }, entries: [] },
    applied: 0 as LogIndex,
    heartbeatTicks,
    electionTicks,
    random: () => 0.5,
  });
  const ignore = (): void => undefined;
  const failUnexpectedly = (): void => assert.fail("nothing here needs it");
  const node = new RaftNode({
    core,
    heartbeatTicks,
    clock,
    log: {
      append: (_hardState, _entries, done) => clock.soon(done),
      restart: failUnexpectedly,
      truncate: failUnexpectedly,
    },
    transport: { send: ignore },
  });
  node.start(
    { apply: (_entries, done) => done(), install: failUnexpectedly },
    { sendSnapshot: failUnexpectedly, discardReceived: failUnexpectedly },
    {
      onReadState: ignore,
      onRefusal: ignore,
      onStatusChange: ignore,
      onTransferEnded: ignore,
      onFailure: assert.ifError,
    },
  );
  const hearLeader = (): void => {
    node.receiveMessage(toMemberId(2n), { kind: "heartbeat", term: 2 as Term, commit: 0 as LogIndex, round: 1 });
    clock.runSoon();
  };
  return { clock, node, hearLeader };
};

test("a node with a leader wakes every third tick, one without wakes every tick", () => {
  const { clock, node, hearLeader } = follower(10);
  hearLeader();
  clock.wakeUps = 0;
  clock.advance(30 * tickMs);
  assert.equal(clock.wakeUps, 10);
  node.onLinkClosed(toMemberId(2n));
  clock.runSoon();
  clock.wakeUps = 0;
  clock.advance(3 * tickMs);
  assert.equal(clock.wakeUps, 3);
});

test("an election timeout takes the same time at either tick rate", () => {
  const { clock, node, hearLeader } = follower(10);
  hearLeader();
  clock.advance(140 * tickMs); // the election timeout is 100 × 1.5 ticks
  assert.equal(node.status().leader, 2n);
  clock.advance(20 * tickMs);
  assert.notEqual(node.status().role, "follower");
});

test("a node with a short heartbeat wakes every tick", () => {
  const { clock, hearLeader } = follower(2);
  hearLeader();
  clock.wakeUps = 0;
  clock.advance(6 * tickMs);
  assert.equal(clock.wakeUps, 6);
});
