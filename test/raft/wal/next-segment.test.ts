import assert from "node:assert/strict";
import { test } from "node:test";
import type { Disk, DiskDone, DiskFile } from "../../../platform/disk.js";
import { NextSegment, type PreparedFile } from "../../../raft/wal/next-segment.js";

const mebibyte = 1024 * 1024;
const segmentBytes = 16 * mebibyte;

/** Sets up a disk whose writes end when the test says. */
const setUp = () => {
  const writes: { readonly position: number; readonly bytes: number; readonly done: DiskDone }[] = [];
  const file: DiskFile = {
    write: (bytes, position, done) => {
      assert.ok(bytes.every((byte) => byte === 0));
      writes.push({ position, bytes: bytes.length, done });
    },
    size: () => assert.fail("nobody asks"),
    read: () => assert.fail("nobody reads"),
    close: (done) => done(null),
  };
  const disk: Disk = {
    open: (_file, _how, done) => done(null, file),
    list: () => assert.fail("nothing is listed"),
    rename: () => assert.fail("nothing is renamed"),
    remove: () => assert.fail("nothing is removed"),
    syncDirectory: () => assert.fail("nothing is synced"),
    makeDirectory: () => assert.fail("nothing is made"),
  };
  const next = new NextSegment(
    { disk, directory: "/wal", segmentBytes, reserveBytes: 0 },
    { onShortageChanged: () => undefined, fail: (operation) => assert.fail(operation) },
  );
  /** Ends the write in progress. */
  const endWrite = (): { readonly position: number; readonly bytes: number } => {
    const { done, ...write } = writes.shift() ?? assert.fail("no write is under way");
    done(null);
    return write;
  };
  return { next, endWrite };
};

/** Asks for a file. @returns the size of the file once there is one */
const request = (next: NextSegment, bytes: number): { readonly size: number | undefined } => {
  const result = { size: undefined as number | undefined };
  next.requestFile(bytes, (prepared: PreparedFile) => (result.size = prepared.bytes));
  return result;
};

test("a next segment that no append waits for is filled in small writes, up to the size of a segment", () => {
  const { next, endWrite } = setUp();
  next.prepare();
  for (let n = 0; n < 16; n++) assert.deepEqual(endWrite(), { position: n * mebibyte, bytes: mebibyte });
  assert.equal(request(next, 1024).size, segmentBytes);
});

test("a log that waits for its next segment gets a shorter one, with one write", () => {
  const { next, endWrite } = setUp();
  next.prepare();
  endWrite();
  const result = request(next, 1024);
  endWrite(); // ends the write in progress
  assert.deepEqual(endWrite(), { position: 2 * mebibyte, bytes: 2 * mebibyte });
  assert.equal(result.size, 4 * mebibyte);
});

test("a next segment that is long enough is used unchanged", () => {
  const { next, endWrite } = setUp();
  next.prepare();
  for (let n = 0; n < 5; n++) endWrite();
  const result = request(next, 1024);
  assert.equal(result.size, undefined); // a write is in progress
  endWrite();
  assert.equal(result.size, 6 * mebibyte);
  next.prepare();
  for (let n = 0; n < 16; n++) endWrite(); // the following segment is complete again
  assert.equal(request(next, 1024).size, segmentBytes);
});

test("a batch larger than the next segment extends it", () => {
  const { next, endWrite } = setUp();
  const result = request(next, 20 * mebibyte);
  assert.deepEqual(endWrite(), { position: 0, bytes: 16 * mebibyte });
  assert.deepEqual(endWrite(), { position: 16 * mebibyte, bytes: 4 * mebibyte });
  assert.equal(result.size, 20 * mebibyte);
});
