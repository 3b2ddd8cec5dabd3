// A backend on a LevelDB that lacks file descriptors.

import assert from "node:assert/strict";
import { test } from "node:test";
import { RetryingBackend } from "../../../store/disk/retrying-backend.js";
import { openMemoryBackend, type Backend, type Row, type RowIterator, type View } from "../../../store/index.js";

const bytes = (text: string): Uint8Array => Buffer.from(text);
const text = (row: Uint8Array | undefined): string => Buffer.from(row ?? []).toString();

/** Returns the error of `level`, which has the system's message in its cause. */
const shortage = (words = "Too many open files"): Error =>
  new Error("Failed", {
    cause: Object.assign(new Error(`IO error: /d/000007.log: ${words}`), { code: "LEVEL_IO_ERROR" }),
  });

/** Sets up a backend whose next `failures` operations fail. */
const setUp = async ({ lends = true } = {}) => {
  const inner = await openMemoryBackend();
  const state = { failures: 0, error: shortage(), lent: 0, waits: 0, iterators: 0, onWait: () => Promise.resolve() };
  const fail = (): void => {
    if (state.failures === 0) return;
    state.failures -= 1;
    throw state.error;
  };
  const failingRows = (rows: RowIterator): RowIterator => {
    let broken = false;
    return {
      next: (count) => {
        broken ||= state.failures > 0;
        if (broken && state.failures > 0) state.failures -= 1;
        return broken ? Promise.reject(state.error) : rows.next(count); // a failed iterator keeps failing
      },
      close: () => rows.close(),
    };
  };
  const level: Backend = {
    name: "scarce",
    get: (key) => {
      fail();
      return inner.get(key);
    },
    iterate: () => assert.fail("an instant of its own"),
    view: () => {
      const view = inner.view();
      return {
        ...view,
        get: (key) => view.get(key),
        close: () => view.close(),
        iterate: (...range) => {
          state.iterators += 1;
          return failingRows(view.iterate(...range));
        },
      };
    },
    batch: () => {
      const batch = inner.batch();
      return {
        put: (key, value) => batch.put(key, value),
        delete: (key) => batch.delete(key),
        write: async () => {
          fail();
          await batch.write();
        },
      };
    },
    size: () => inner.size(),
    close: () => inner.close(),
  };
  const descriptors = {
    lend: () => {
      state.lent += 1;
      return lends;
    },
    whenAvailable: () => Promise.resolve(),
    whenAvailableAgain: () => {
      state.waits += 1;
      return state.onWait();
    },
  };
  const backend = new RetryingBackend(level, { descriptors, space: descriptors });
  const put = async (...keys: string[]): Promise<void> => {
    const batch = backend.batch();
    for (const key of keys) batch.put(bytes(key), bytes(`value of ${key}`));
    await batch.write();
  };
  return { backend, level, inner, state, put };
};

const keysOf = (rows: readonly Row[]): string => rows.map(([key]) => text(key)).join("");

test("a batch that was refused for lack of descriptors is written once some are free, as a whole and in order", async () => {
  const { backend, inner, state, put } = await setUp();
  await put("a", "b");
  state.failures = 2;
  const batch = backend.batch();
  batch.delete(bytes("a"));
  batch.put(bytes("b"), bytes("first"));
  batch.put(bytes("b"), bytes("second"));
  await batch.write();
  assert.equal(state.waits, 2);
  assert.equal(inner.get(bytes("a")), undefined);
  assert.equal(text(inner.get(bytes("b"))), "second");
});

test("a batch that is refused repeatedly despite free descriptors fails", async () => {
  const { state, put } = await setUp();
  state.failures = Infinity;
  await assert.rejects(put("a"), { message: "Failed" });
  assert.equal(state.waits, 2);
});

test("LevelDB is reopened once it can be, and the refused batch is written there, as a whole and in order", async () => {
  const { level, state, put } = await setUp();
  const reopened: number[] = [];
  level.reopen = () => {
    reopened.push(state.waits);
    state.failures = 0;
    return Promise.resolve();
  };
  state.failures = Infinity;
  await put("a", "b");
  assert.deepEqual(reopened, [3]);
});

test("reopening a store that lacks descriptors is retried until it succeeds", async () => {
  const { level, inner, state, put } = await setUp();
  let attempts = 0;
  level.reopen = () => {
    attempts += 1;
    if (attempts < 4) return Promise.reject(shortage());
    state.failures = 0;
    return Promise.resolve();
  };
  state.failures = Infinity;
  await put("a");
  assert.equal(attempts, 4);
  assert.equal(text(inner.get(bytes("a"))), "value of a");
});

test("a batch that met a full disk is written only after LevelDB was reopened, because its log may hold a part", async () => {
  const { level, state, put } = await setUp();
  const steps: string[] = [];
  level.reopen = () => {
    steps.push(`reopened after ${state.waits} waits`);
    return Promise.resolve();
  };
  state.error = shortage("No space left on device");
  state.failures = 1;
  await put("a");
  assert.deepEqual(steps, ["reopened after 1 waits"]);
});

test("a batch that fails for another reason is not retried", async () => {
  const { state, put } = await setUp();
  state.error = shortage("Input/output error");
  state.failures = 1;
  await assert.rejects(put("a"), { message: "Failed" });
  assert.equal(state.waits, 0);
});

test("a row is read with the reserved descriptors", async () => {
  const { backend, state, put } = await setUp();
  await put("a");
  state.failures = 1;
  assert.equal(text(backend.get(bytes("a"))), "value of a");
  assert.equal(state.lent, 1);
  state.error = shortage("Input/output error");
  state.failures = 1;
  assert.throws(() => backend.get(bytes("a")), { message: "Failed" });
  assert.equal(state.lent, 1);
});

test("a read of a row fails without reserved descriptors", async () => {
  const { backend, state, put } = await setUp({ lends: false });
  await put("a");
  state.failures = 1;
  assert.throws(() => backend.get(bytes("a")), { message: "Failed" });
});

test("an iterator continues after its last row, in the state at which it began", async () => {
  const { backend, state, put } = await setUp();
  await put("a", "b", "c", "e");
  const rows = backend.iterate(bytes("a"), bytes("z"));
  assert.equal(keysOf(await rows.next(2)), "ab");
  await put("bb", "d");
  state.failures = 2;
  assert.equal(keysOf(await rows.next(10)), "ce");
  assert.equal(state.waits, 2);
  assert.equal(keysOf(await rows.next(10)), "");
  await rows.close();
});

test("an iterator that is closed while it waits for descriptors is not opened again", async () => {
  const { backend, state, put } = await setUp();
  await put("a");
  const rows = backend.iterate(bytes("a"), bytes("z"));
  state.onWait = () => rows.close();
  state.failures = 1;
  await assert.rejects(rows.next(10), { message: "Failed" });
  assert.equal(state.waits, 1);
  assert.equal(state.iterators, 1);
});

test("an iterator that is closed while LevelDB has no descriptor for it does not wait", async () => {
  const { backend, state } = await setUp();
  const rows = backend.iterate(bytes("a"), bytes("z"));
  state.failures = 1;
  const read = rows.next(10);
  await Promise.all([assert.rejects(read, { message: "Failed" }), rows.close()]);
  assert.equal(state.waits, 0);
});

test("an iterator that cannot be closed still releases its view", async () => {
  const { level } = await setUp();
  let closed = 0;
  const view = (): View => ({
    ...level.view(),
    iterate: () => ({ next: () => Promise.resolve([]), close: () => Promise.reject(new Error("EIO")) }),
    close: () => Promise.resolve(void (closed += 1)),
  });
  const rows = new RetryingBackend({ ...level, view }, {}).iterate(bytes("a"), bytes("z"));
  await assert.rejects(rows.close(), /EIO/);
  assert.equal(closed, 1);
});

test("an iterator whose first rows cannot be read begins again", async () => {
  const { backend, state, put } = await setUp();
  await put("a", "b");
  state.failures = 1;
  const view = backend.view();
  const rows = view.iterate(bytes("a"), bytes("b"));
  assert.equal(keysOf(await rows.next(10)), "a");
  await rows.close();
  await view.close();
});
