import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { maxWaitingResets, ResetQueue } from "../../../../server/net/grpc-js/reset-queue.js";
import { StreamTable } from "../../../../server/net/grpc-js/stream-table.js";

describe("resets", () => {
  const setUp = (open: Set<number>) => {
    const passed: number[] = [];
    const queue = new ResetQueue(
      (stream) => open.has(stream),
      (stream) => {
        open.delete(stream);
        passed.push(stream);
      },
    );
    return { queue, passed };
  };
  const frame = Buffer.alloc(13);

  test("900 at once pass, then 30 a second", () => {
    const { queue, passed } = setUp(new Set(Array.from({ length: 1_000 }, (_, n) => n)));
    for (let stream = 0; stream < 1_000; stream++) assert.equal(queue.add(0, stream, frame), true);
    assert.equal(passed.length, 900);
    assert.ok((queue.run(0) ?? 0) > 0);
    queue.run(1_001);
    assert.equal(passed.length, 930);
    assert.equal(queue.run(10_000), undefined);
    assert.equal(passed.length, 1_000);
  });

  test("a call that has ended meanwhile needs no reset", () => {
    const open = new Set(Array.from({ length: 910 }, (_, n) => n));
    const { queue, passed } = setUp(open);
    for (let stream = 0; stream < 910; stream++) queue.add(0, stream, frame);
    open.clear();
    assert.equal(queue.run(0), undefined);
    assert.equal(passed.length, 900);
  });

  test("the number of waiting resets is bounded", () => {
    const { queue } = setUp(new Set(Array.from({ length: 20_000 }, (_, n) => n)));
    let taken = 0;
    while (queue.add(0, taken, frame)) taken += 1;
    assert.equal(taken, 900 + maxWaitingResets);
  });
});

describe("the streams of a connection", () => {
  test("a stream is open until both sides have ended it or one has reset it; its call until it is answered", () => {
    const table = new StreamTable();
    table.handleHeaders(1);
    table.handleHeaders(3);
    assert.equal(table.newest, 3);
    table.endOfServer(1);
    assert.equal(table.isOpen(1), true);
    assert.equal(table.hasOpenCalls, true);
    table.reset(3);
    assert.equal(table.isOpen(3), false);
    assert.equal(table.hasOpenCalls, false);
    table.endOfClient(1);
    assert.equal(table.isOpen(1), false);
  });

  test("trailers begin no stream, and no stream begins after the server's GOAWAY", () => {
    const table = new StreamTable();
    table.handleHeaders(1);
    table.reset(1);
    table.handleHeaders(1);
    assert.equal(table.isOpen(1), false);
    table.freeze();
    table.handleHeaders(3);
    assert.equal(table.isOpen(3), false);
  });
});
