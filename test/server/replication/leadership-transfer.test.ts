import assert from "node:assert/strict";
import { test } from "node:test";
import { noMember, type MemberId } from "../../../raft/index.js";
import { LeadershipTransfer } from "../../../server/replication/leadership-transfer.js";
import { coreStatus, recordingLogger } from "../member/member-fixtures.js";
import { VirtualClock } from "../../../testing/virtual-clock.js";
import { toMemberId } from "../../../testing/ids.js";

const [self, transferee, other] = [toMemberId(1n), toMemberId(2n), toMemberId(3n)];

const setUp = () => {
  const { logger, lines } = recordingLogger();
  const asked: (MemberId | undefined)[] = [];
  const world = { leader: self };
  const node = {
    status: () => coreStatus({ leader: world.leader }),
    transferLeadership: (to: MemberId | undefined) => void asked.push(to),
  };
  const transfer = new LeadershipTransfer({ self, clock: new VirtualClock(), logger }, node);
  const ends: MemberId[] = [];
  const begin = (to: MemberId | undefined): void => transfer.beginTransfer(to, (leader) => ends.push(leader));
  return { transfer, begin, asked, ends, world, logLines: () => lines.map(({ msg }) => msg) };
};

test("the caller of a transfer gets the new leader", () => {
  const { transfer, begin, asked, ends, world, logLines } = setUp();
  begin(transferee);
  assert.deepEqual([asked, ends], [[transferee], []]);
  world.leader = transferee;
  transfer.onEnded(true);
  assert.deepEqual(ends, [transferee]);
  begin(undefined);
  world.leader = other;
  transfer.onEnded(false);
  assert.deepEqual(ends, [transferee, other]);
  assert.deepEqual(logLines(), [
    "leadership transfer starting",
    "leadership transfer finished",
    "leadership transfer starting",
    "leadership transfer failed",
  ]);
});

test("all callers of a transfer get its result once", () => {
  const { transfer, begin, asked, ends, world } = setUp();
  begin(transferee);
  begin(other);
  world.leader = other;
  transfer.onEnded(true);
  transfer.onEnded(false); // begun by consensus itself, so no caller waits
  assert.deepEqual(
    [asked, ends],
    [
      [transferee, other],
      [other, other],
    ],
  );
});

test("a stopping member ends all waiting transfers without a leader", () => {
  const { transfer, begin, asked, ends } = setUp();
  begin(transferee);
  transfer.stop();
  begin(transferee);
  assert.deepEqual([asked, ends], [[transferee], [noMember, noMember]]);
});
