import assert from "node:assert/strict";
import { test } from "node:test";
import { type KvStore, MemoryBackend, openStore } from "../../../store/index.js";
import { toLeaseId } from "../../../testing/ids.js";

const openStoreOn = (backend: MemoryBackend): Promise<KvStore> =>
  openStore({
    backend,
    clock: {
      now: () => 0,
      setTimeout,
      clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
      soon: (callback) => void setImmediate(callback),
    },
    onFailure: (error) => assert.fail(error),
  });

test("the remaining time of a lease survives a restart, until the checkpoint is withdrawn", async () => {
  const backend = new MemoryBackend();
  const [granted, checkpointed, cleared] = [1n, 2n, 3n].map(toLeaseId) as [never, never, never];
  const first = await openStoreOn(backend);
  for (const id of [granted, checkpointed, cleared]) first.grantLease({ id, ttlSeconds: 600, generation: 5 });
  first.checkpointLease(checkpointed, 300);
  first.checkpointLease(cleared, 200);
  first.checkpointLease(cleared, undefined);
  first.endRound({ marker: () => Uint8Array.of(1), rowLists: () => [] });
  await first.close();

  await using closing = { store: await openStoreOn(backend), [Symbol.asyncDispose]: () => closing.store.close() };
  const { store } = closing;
  assert.deepEqual(
    [granted, checkpointed, cleared].map((id) => store.lease(id)?.remainingSeconds),
    [undefined, 300, undefined],
  );
  assert.equal(store.lease(checkpointed)?.generation, 5);
});
