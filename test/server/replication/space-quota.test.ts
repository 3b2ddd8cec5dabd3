import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { type AlarmMember, AlarmRequest_AlarmAction as Action, AlarmType } from "../../../proto/index.js";
import { maxPendingProposals, type ServerError } from "../../../server/base/index.js";
import type { Command } from "../../../server/replication/command.js";
import { SpaceQuota } from "../../../server/replication/space-quota.js";
import { recordingLogger } from "../member/member-fixtures.js";
import { VirtualClock } from "../../../testing/virtual-clock.js";
import { toMemberId } from "../../../testing/ids.js";

const self = toMemberId(0x11n);
const mine: AlarmMember = { memberID: self, alarm: AlarmType.NOSPACE };
const cost = 300;

interface Setting {
  readonly quotaBytes?: number;
  readonly shouldDisarmItself?: boolean;
  readonly sizeBytes?: number;
}

/** Sets up a quota over a store whose size the test sets; proposed alarms are applied immediately. */
const quotaOver = ({ quotaBytes = 1_000_000, shouldDisarmItself = false, sizeBytes = 0 }: Setting) => {
  const clock = new VirtualClock();
  const world = {
    sizeBytes,
    writtenBytes: 0,
    measurements: 0,
    /** The error of the next measurement. */
    failure: undefined as Error | undefined,
    all: [] as AlarmMember[],
    log: [] as string[],
    clock,
  };
  const store = {
    get writtenBytes() {
      return world.writtenBytes;
    },
    size: () => {
      world.measurements++;
      if (world.failure !== undefined) return Promise.reject(world.failure);
      return Promise.resolve({ allocatedBytes: world.sizeBytes, inUseBytes: world.sizeBytes });
    },
  };
  const proposeOwn = (command: Command, handler: { onResult(result: unknown): void }): void => {
    assert(command.$case === "alarm");
    const { action, memberID, alarm } = command.value;
    assert.deepEqual({ memberID, alarm }, mine);
    world.log.push(action === Action.ACTIVATE ? "raised" : "disarmed");
    world.all = action === Action.ACTIVATE ? [mine] : [];
    handler.onResult(undefined);
  };
  const options = { quotaBytes, shouldDisarmItself, member: self, clock, logger: recordingLogger().logger };
  const quota = new SpaceQuota(options, store, { proposeOwn }, { alarms: world });
  const write = async (bytes = cost): Promise<"passed" | ServerError["code"]> => {
    if (quota.hasRoomFor(bytes)) return "passed";
    return new Promise((resolve) => {
      const onError = (error: unknown): void => resolve((error as ServerError).code);
      quota.passAfterMeasuring(bytes, () => resolve("passed"), { onError });
    });
  };
  return Object.assign(world, { quota, write });
};

test("a write that would reach the quota raises this member's alarm once, and is refused", async () => {
  const world = quotaOver({ sizeBytes: 999_699 });
  assert.equal(await world.write(), "passed");
  world.sizeBytes = 999_700;
  world.writtenBytes += 100_000;
  assert.equal(await world.write(), "passed", "measured only now");
  await turn();
  assert.deepEqual(await Promise.all([world.write(), world.write()]), ["no-space", "no-space"]);
  assert.equal(await world.write(), "no-space");
  assert.deepEqual(world.log, ["raised"]);
  assert.equal(await world.write(0), "passed", "it takes no space");
});

test("writes succeed again as soon as the store is smaller, even without a write in between", async () => {
  const world = quotaOver({ sizeBytes: 2_000_000 });
  assert.equal(await world.write(), "no-space");
  world.sizeBytes = 500_000;
  assert.equal(await world.write(), "passed");
});

test("far from the quota writes do not wait, and the store is measured after an eighth of the remaining space", async () => {
  const world = quotaOver({ quotaBytes: 800_000_000 });
  await world.write();
  for (let n = 0; n < 1_000; n++) {
    world.writtenBytes += 99_999;
    assert.equal(world.quota.hasRoomFor(cost), true);
  }
  assert.equal(world.measurements, 1);
  world.writtenBytes += 1_000;
  assert.equal(world.quota.hasRoomFor(cost), true);
  await turn();
  assert.equal(world.measurements, 2);
});

test("a negative quota sets no limit, and is reported unchanged", () => {
  const world = quotaOver({ quotaBytes: -5, sizeBytes: 1e12 });
  assert.equal(world.quota.hasRoomFor(cost), true);
  assert.equal(world.measurements, 0);
  assert.equal(world.quota.reportedBytes, -5);
});

test("a store that cannot be measured does not count as full", async () => {
  const world = quotaOver({});
  world.failure = new Error("EIO");
  assert.equal(await world.write(), "passed");
});

test("writes that wait for a measurement are bounded", async () => {
  const world = quotaOver({ sizeBytes: 2_000_000 });
  const writes = Array.from({ length: maxPendingProposals }, () => world.write());
  await assert.rejects(world.write(), (error: ServerError) => error.code === "too-many-requests");
  assert.ok((await Promise.all(writes)).every((outcome) => outcome === "no-space"));
});

test("a member deactivates its alarm only with --auto-disarm-nospace, and below nine tenths of the quota", async () => {
  const kept = quotaOver({ sizeBytes: 2_000_000 });
  await kept.write();
  kept.sizeBytes = 0;
  kept.clock.advance(60_000);
  await turn();
  assert.deepEqual(kept.log, ["raised"]);

  const world = quotaOver({ sizeBytes: 2_000_000, shouldDisarmItself: true });
  await world.write();
  world.sizeBytes = 900_000;
  world.clock.advance(10_000);
  await turn();
  assert.deepEqual(world.log, ["raised"]);
  world.sizeBytes = 899_999;
  world.clock.advance(10_000);
  await turn();
  assert.deepEqual(world.log, ["raised", "disarmed"]);
  world.clock.advance(60_000);
  await turn();
  assert.deepEqual(world.log, ["raised", "disarmed"]);
});
