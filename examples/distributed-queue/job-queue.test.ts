import assert from "node:assert/strict";
import { test } from "node:test";
import { startTestServer } from "../../testing/kit/index.js";
import { addJob, Worker } from "./job-queue.js";

test("workers take each job once, the oldest first", async () => {
  await using server = await startTestServer({ listen: false });
  const client = server.client();
  for (const text of ["wash", "dry", "iron"]) await addJob(client, text);
  await using anna = await Worker.start(client);
  await using ben = await Worker.start(server.client());
  const taken = [await anna.take(), await ben.take(), await anna.take()];
  assert.deepEqual(
    taken.map(({ text }) => text),
    ["wash", "dry", "iron"],
  );
  for (const job of taken) assert.equal(await job.finish(), true);
  assert.equal((await client.kv.get("/queue/", { prefix: true })).count, 0);
});

test("a worker that finds the queue empty gets the next job", async () => {
  await using server = await startTestServer({ listen: false });
  await using anna = await Worker.start(server.client());
  const next = anna.take();
  await addJob(server.client(), "fold");
  assert.equal((await next).text, "fold");
});

test("the job of a worker that dies is done by another one", async () => {
  await using server = await startTestServer({ clock: "virtual", listen: false });
  const dying = server.client();
  const anna = await Worker.start(dying, { ttlSeconds: 10 });
  await using ben = await Worker.start(server.client());
  await addJob(dying, "wash");
  const lost = await anna.take();
  const again = ben.take();
  await dying.close(); // the lease of anna is not renewed any more
  await server.clock.advance("12s");
  const job = await again;
  assert.equal(job.text, "wash");
  assert.equal(await job.finish(), true);
  await assert.rejects(lost.finish(), { code: "cancelled" });
});
