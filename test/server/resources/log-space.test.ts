import assert from "node:assert/strict";
import { test } from "node:test";
import { LogSpace } from "../../../server/resources/log-space.js";
import { recordingLogger } from "../member/member-fixtures.js";
import { VirtualClock } from "../../../testing/virtual-clock.js";

const setUp = () => {
  const clock = new VirtualClock();
  const { logger, lines } = recordingLogger();
  let retries = 0;
  const space = new LogSpace({ clock, logger, directory: "/d/wal" });
  space.watchLog({ retryNextSegment: () => retries++ });
  return { clock, lines, space, retries: () => retries };
};

test("a full disk is logged once, checked every second, and cleared once there is space", () => {
  const { clock, lines, space, retries } = setUp();
  space.onFull(true, "space");
  space.onFull(true, "space");
  assert.equal(space.isFull, true);
  clock.advance(3_000);
  assert.equal(retries(), 3);
  assert.deepEqual(
    lines.map(({ level, directory }) => [level, directory]),
    [["error", "/d/wal"]],
  );
  space.onFull(false, "space");
  assert.equal(space.isFull, false);
  clock.advance(3_000);
  assert.equal(retries(), 3);
  assert.equal(lines.length, 2);
  assert.equal(clock.pendingTimers, 0);
});

test("a lack of file descriptors is logged as such", () => {
  const { lines, space } = setUp();
  assert.equal(space.shortage, undefined);
  space.onFull(true, "descriptors");
  assert.equal(space.shortage, "descriptors");
  space.onFull(false, "space");
  assert.equal(space.shortage, undefined);
  assert.deepEqual(
    lines.map(({ msg }) => msg),
    [
      "no file descriptors for the write-ahead log: writes are refused until there are some",
      "there are file descriptors for the write-ahead log again: writes continue",
    ],
  );
});

test("stopping leaves no timer behind", () => {
  const { clock, space } = setUp();
  space.onFull(true, "space");
  space.stop();
  assert.equal(clock.pendingTimers, 0);
});

test("a lack of space requests a leadership transfer, at first and periodically", () => {
  const { clock, space } = setUp();
  let handedOver = 0;
  const leadership = {
    transferLeadership: () => {
      handedOver++;
      return Promise.resolve();
    },
  };
  space.watchLeadership(leadership);
  assert.equal(handedOver, 0);
  space.onFull(true, "space");
  assert.equal(handedOver, 1);
  clock.advance(29_000);
  assert.equal(handedOver, 1);
  clock.advance(1_000);
  assert.equal(handedOver, 2);
  space.onFull(false, "space");
  clock.advance(60_000);
  assert.equal(handedOver, 2);
  space.onFull(true, "space");
  assert.equal(handedOver, 3);
  space.stop();
});

test("a listener added while the disk is full is called at once", () => {
  const { space } = setUp();
  space.onFull(true, "space");
  let handedOver = 0;
  const leadership = {
    transferLeadership: () => {
      handedOver++;
      return Promise.resolve();
    },
  };
  space.watchLeadership(leadership);
  assert.equal(handedOver, 1);
  space.stop();
});
