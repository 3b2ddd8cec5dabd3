// A member accepts the bench's requests, so that `npm run bench` does not measure refusals.

import assert from "node:assert/strict";
import test from "node:test";
import { loadKinds } from "../../bench/load/load-kinds.js";
import { LoadRun, openConnections, type Job } from "../../bench/load/load-run.js";
import { eventually } from "../support/deadline.js";
import { startCluster } from "../support/minietcd-cluster.js";

const deadlineMs = 20_000;

test("each load of the bench is answered without an error", async () => {
  await using cluster = await startCluster({ members: 1 });
  const { id } = await cluster.client.lease.grant({ ttlSeconds: 3_600 });
  for (const kind of loadKinds) {
    const job: Job = {
      ...{ kind, sizes: { keys: 10, valueBytes: 16 }, connections: 2, inFlight: 4, watchers: 3 },
      ...{ warmUpMs: 0, measureMs: 0 },
    };
    const connections = await openConnections(cluster.endpoints, job.connections);
    const run = new LoadRun(job, connections, id);
    run.count();
    await run.begin();
    const { errors } = await eventually(deadlineMs, `answers to "${kind}"`, () => {
      const result = run.result(1);
      return result.count > 0 || result.errors > 0 ? result : undefined;
    });
    assert.equal(errors, 0, kind);
    await Promise.all(connections.map((connection) => connection[Symbol.asyncDispose]()));
  }
});
