import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { toPromise } from "../../../platform/index.js";
import { DataDirectory } from "../../../server/data-dir/data-dir.js";
import { Descriptors, type DescriptorSystem } from "../../../server/resources/descriptors.js";
import { StartError } from "../../../server/base/errors.js";
import { StoreDescriptors } from "../../../server/resources/store-descriptors.js";
import { recordingLogger } from "../member/member-fixtures.js";
import { diskError, SimDisk } from "../../../testing/sim-disk.js";
import { seededRandom } from "../../../testing/random.js";
import { VirtualClock } from "../../../testing/virtual-clock.js";

/** Returns a system with `free` descriptors left. */
const system = (free: number) => {
  const state = { free, open: new Set<number>(), next: 0 };
  const descriptors: DescriptorSystem = {
    open: () => {
      if (state.open.size >= state.free) return undefined;
      state.open.add(++state.next);
      return state.next;
    },
    close: (descriptor) => assert.ok(state.open.delete(descriptor), "it is open"),
  };
  return { state, descriptors };
};

test("a member reserves descriptors for log, store and other members; clients get the remainder", () => {
  const share = new Descriptors(160, 20).share(2);
  assert.equal(share.unknownPeers, 15);
  assert.equal(share.clients.max, 45);
});

test("the connection bounds are the member's own if there are plenty of descriptors", () => {
  const share = new Descriptors(1_000_000, 20).share(2);
  assert.equal(share.unknownPeers, 100);
  assert.equal(share.clients.max, 20_000);
});

test("a limit that leaves too few connections is refused with the smallest sufficient one, which works", () => {
  const refusalOf = (limit: number, others: number): string => {
    try {
      new Descriptors(limit, 20).share(others);
    } catch (error) {
      assert.ok(error instanceof StartError);
      return error.message;
    }
    return "";
  };
  for (const others of [0, 2, 6]) {
    const message = refusalOf(64, others);
    assert.match(message, /^file descriptor limit of the process is too low: 64; set it to at least \d+/);
    const least = Number(/to at least (\d+)/.exec(message)?.[1]);
    assert.equal(refusalOf(least, others), "");
    assert.notEqual(refusalOf(least - 1, others), "");
  }
});

test("members in one process share its descriptors", () => {
  const descriptors = new Descriptors(300, 20);
  const first = descriptors.share(0);
  const alone = first.clients.max;
  const second = descriptors.share(0);
  assert.equal(first.clients, second.clients);
  assert.ok(first.clients.max < alone - 64, "what the second reserves is taken from both");
  for (let n = first.clients.max; n > 0; n--) assert.ok(first.clients.takeSlot());
  assert.equal(second.clients.takeSlot(), false);
  first.clients.giveBack();
  assert.equal(second.clients.takeSlot(), true);
  second.release();
  second.release();
  assert.equal(first.clients.max, alone);
});

test("the limit and the number of open descriptors are read from the system", () => {
  const { limit, inUse } = Descriptors.ofProcess();
  assert.equal(String(limit), execFileSync("sh", ["-c", "ulimit -n"], { encoding: "utf8" }).trim());
  assert.ok(Math.abs(inUse - readdirSync("/dev/fd").length) <= 1);
});

test("a store is written only with spare descriptors, and a read may use the reserved ones", () => {
  const { state, descriptors } = system(12);
  const own = new Descriptors(160, 20, descriptors);
  assert.equal(own.hasFree(), true);
  assert.equal(state.open.size, 4, "kept for need");
  state.free = 11;
  assert.equal(own.hasFree(), false);
  assert.equal(state.open.size, 4);
  assert.equal(own.releaseSpares(), true);
  assert.equal(state.open.size, 0);
  assert.equal(own.releaseSpares(), false);
  state.free = 3;
  assert.equal(own.hasFree(), false);
  assert.equal(own.releaseSpares(), true, "what there was has been kept");
  state.free = 12;
  assert.equal(own.hasFree(), true);
});

test("the store's wait for descriptors is logged once, and ends by itself", async () => {
  const { state, descriptors } = system(3);
  const clock = new VirtualClock();
  const { logger, lines } = recordingLogger();
  const own = new Descriptors(160, 20, descriptors);
  const source = new StoreDescriptors({ descriptors: own, directory: "/d", clock, logger });
  let isOver = false;
  const waiting = source.whenAvailable().then(() => (isOver = true));
  for (let second = 0; second < 3; second++) {
    await turn();
    clock.advance(1_000);
  }
  await turn();
  assert.equal(isOver, false);
  assert.deepEqual(
    lines.map(({ level, msg }) => [level, msg]),
    [["error", "out of file descriptors for the store: applying entries waits"]],
  );
  state.free = 12;
  clock.advance(1_000);
  await waiting;
  assert.equal(lines.at(-1)?.msg, "file descriptors for the store are available again");
  assert.equal(clock.pendingTimers, 0);
});

test("after a failure for lack of descriptors the store waits for a while even if there are some", async () => {
  const { descriptors } = system(12);
  const clock = new VirtualClock();
  const { logger } = recordingLogger();
  const own = new Descriptors(160, 20, descriptors);
  const source = new StoreDescriptors({ descriptors: own, directory: "/d", clock, logger });
  let isOver = false;
  const waiting = source.whenAvailableAgain().then(() => (isOver = true));
  await turn();
  assert.equal(isOver, false);
  clock.advance(1_000);
  await waiting;
});

test("a member that stops waits for no descriptors", async () => {
  const { descriptors } = system(0);
  const clock = new VirtualClock();
  const { logger } = recordingLogger();
  const own = new Descriptors(160, 20, descriptors);
  const source = new StoreDescriptors({ descriptors: own, directory: "/d", clock, logger });
  const waiting = source.whenAvailable();
  await turn();
  source.stop();
  await assert.rejects(waiting, /no file descriptors left for the store/);
  assert.equal(clock.pendingTimers, 0);
});

/** The system's errors for a lack of descriptors. */
for (const code of ["EMFILE", "ENFILE"])
  test(`a store replaces another one once file descriptors are free (${code})`, async () => {
    const disk = new SimDisk({ random: seededRandom(1) });
    const files = disk.boot();
    const directory = await DataDirectory.open("/m1", files);
    for (const path of ["/m1/member/store-1", "/m1/member/store-2"])
      await toPromise((done) => files.makeDirectory(path, done));
    await directory.useStore("/m1/member/store-1", undefined);
    const clock = new VirtualClock();
    const { logger } = recordingLogger();
    const own = new Descriptors(160, 20, system(12).descriptors);
    const source = new StoreDescriptors({ descriptors: own, directory: "/m1", clock, logger });
    let failures = 0;
    let operations = 0;
    // Each attempt gets one operation further before it lacks a descriptor.
    disk.onOperation = (operation) => {
      if (!["open", "syncDirectory"].includes(operation.kind) || operations++ < failures) return undefined;
      failures += 1;
      operations = 0;
      return diskError(code, operation);
    };
    const done = source.retryForDescriptors(() => directory.useStore("/m1/member/store-2", undefined));
    for (let attempt = 0; attempt < 4; attempt++) {
      await turn();
      clock.advance(1_000);
    }
    await done;
    assert.equal(failures, 4, "two directories, the new file, and its directory");
    disk.onOperation = () => undefined;
    assert.equal((await directory.readStoreInUse()).path, "/m1/member/store-2");
  });

test("a failure for another reason than descriptors is not repeated", async () => {
  const clock = new VirtualClock();
  const { logger } = recordingLogger();
  const own = new Descriptors(160, 20, system(12).descriptors);
  const source = new StoreDescriptors({ descriptors: own, directory: "/d", clock, logger });
  const failure = Object.assign(new Error("EIO: no"), { code: "EIO" });
  await assert.rejects(
    source.retryForDescriptors(() => Promise.reject(failure)),
    failure,
  );
});

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
