import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import type { Worker } from "node:worker_threads";
import { BcryptThread } from "../../../server/auth/bcrypt-thread.js";
import { maxQueuedPasswords, ServerError } from "../../../server/base/index.js";

const salt = "$2a$04$abcdefghijklmnopqrstuu";

const failsWith = (code: string) => (error: unknown) => error instanceof ServerError && error.code === code;

/** A worker that answers when the test says. */
class FakeWorker extends EventEmitter {
  readonly received: string[] = [];
  isTerminated = false;

  unref(): void {
    // no thread runs
  }

  postMessage({ password }: { readonly password: string }): void {
    this.received.push(password);
  }

  terminate(): Promise<number> {
    this.isTerminated = true;
    return Promise.resolve(1);
  }
}

/** Returns a thread whose workers are fakes. */
const withFakes = (): { readonly thread: BcryptThread; readonly workers: FakeWorker[] } => {
  const workers: FakeWorker[] = [];
  const thread = new BcryptThread(() => {
    const worker = new FakeWorker();
    workers.push(worker);
    return worker as unknown as Worker;
  });
  return { thread, workers };
};

test("a real worker hashes, refuses an invalid salt, and continues", async () => {
  const thread = new BcryptThread();
  try {
    const broken = thread.hash("a", "nonsense");
    const hash = thread.hash("a", salt);
    await assert.rejects(broken, /Cannot hash a password: .*salt/);
    assert.ok((await hash).startsWith(salt));
    assert.equal(await thread.hash("a", salt), await hash);
  } finally {
    thread.close();
  }
});

test("the worker starts with the first password and gets one at a time, in order", async () => {
  const { thread, workers } = withFakes();
  assert.equal(workers.length, 0);
  const hashes = Promise.all(["a", "b", "c"].map((password) => thread.hash(password, salt)));
  const worker = workers[0] ?? assert.fail("no worker");
  assert.deepEqual(worker.received, ["a"]);
  for (const hash of ["1", "2", "3"]) worker.emit("message", { hash });
  assert.deepEqual(await hashes, ["1", "2", "3"]);
  assert.deepEqual(worker.received, ["a", "b", "c"]);
  assert.equal(workers.length, 1);
});

test("10 000 passwords at once: all beyond the bound are refused at once", async () => {
  const { thread, workers } = withFakes();
  const outcomes = Array.from({ length: 10_000 }, () =>
    thread.hash("a", salt).then(
      () => "hashed",
      (error: unknown) => (error as ServerError).code,
    ),
  );
  assert.equal(thread.pending, maxQueuedPasswords);
  for (let count = 0; count < maxQueuedPasswords; count++) workers[0]?.emit("message", { hash: "" });
  const ends = await Promise.all(outcomes);
  assert.equal(ends.filter((end) => end === "hashed").length, maxQueuedPasswords);
  assert.equal(ends.filter((end) => end === "too-many-requests").length, 10_000 - maxQueuedPasswords);
  assert.equal(thread.pending, 0);
});

test("the death of a worker fails pending passwords; the next password starts a new worker", async () => {
  const { thread, workers } = withFakes();
  const lost = [thread.hash("a", salt), thread.hash("b", salt)];
  workers[0]?.emit("error", new Error("out of memory"));
  workers[0]?.emit("exit", 1);
  for (const hash of lost) await assert.rejects(hash, /out of memory/);
  const next = thread.hash("c", salt);
  workers[0]?.emit("exit", 1); // a late event of the previous worker
  workers[1]?.emit("message", { hash: "1" });
  assert.equal(await next, "1");
});

test("closing ends the worker and refuses pending and later passwords", async () => {
  const { thread, workers } = withFakes();
  const waiting = thread.hash("a", salt);
  thread.close();
  thread.close();
  await assert.rejects(waiting, failsWith("server-stopped"));
  await assert.rejects(thread.hash("b", salt), failsWith("server-stopped"));
  assert.deepEqual(
    workers.map((worker) => worker.isTerminated),
    [true],
  );
});
