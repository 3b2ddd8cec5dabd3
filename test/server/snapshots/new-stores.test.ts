// A store that is created beside the one in use: closing the directory waits until all its files are closed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../../platform/index.js";
import { openMemoryBackend, type Backend } from "../../../store/index.js";
import { recordingLogger } from "../member/member-fixtures.js";
import { NewStores } from "../../../server/snapshots/new-store.js";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Records events, in order. */
const startRecording = (open: () => Promise<Backend>) => {
  const happened: string[] = [];
  const newStores = new NewStores({
    directory: {
      prepareStorePath: () => Promise.resolve("store-2"),
      useStore: () => assert.fail("used"),
      removeUnusedStores: () => {
        happened.push("removed");
        return Promise.resolve();
      },
    },
    backends: {
      openBackend: async () => {
        const backend = await open();
        const close = backend.close.bind(backend);
        backend.close = async () => {
          await close();
          happened.push("closed");
        };
        return backend;
      },
    },
    clock: systemClock,
    logger: recordingLogger().logger,
    store: { install: () => assert.fail("the store in use") },
  });
  const close = (): Promise<void> => newStores.close().then(() => void happened.push("all is closed"));
  return { newStores, happened, close };
};

test("close waits for a store being created, and no further one is created", async () => {
  let goOn: () => void = () => undefined;
  const { newStores, happened, close } = startRecording(async () => {
    await new Promise<void>((resolve) => (goOn = resolve));
    return openMemoryBackend();
  });
  const made = newStores.create();
  await turn();
  const closed = close();
  await assert.rejects(newStores.create(), /the member is stopping/);
  await turn();
  assert.deepEqual(happened, []);
  goOn();
  await (await made).discard();
  await closed;
  assert.deepEqual(happened, ["closed", "removed", "all is closed"]);
});

test("a store that cannot be created leaves nothing open, and close does not wait for it", async () => {
  const { newStores, happened, close } = startRecording(async () => {
    const backend = await openMemoryBackend();
    const batch = backend.batch();
    batch.put(Buffer.from("a row"), Buffer.from("of somebody else"));
    await batch.write();
    return backend;
  });
  await assert.rejects(newStores.create(), /it is not empty/);
  await close();
  assert.deepEqual(happened, ["closed", "all is closed"]);
});
