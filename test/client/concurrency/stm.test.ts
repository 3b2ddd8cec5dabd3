// Transactions of several runs against a server whose answers the test chooses. Real members: recipes-on-cluster.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { RangeRequest } from "../../../proto/index.js";
import { type Answers, type Failing, FakeServer } from "../fake-server.js";
import { patientClient } from "../../support/patient-client.js";

/** Answers of a store that changes with every read of the newest revision. With `failure`, the first read fails. */
const answersOfChangingStore = (failure?: Failing): Answers => {
  let newest = 5n;
  let first = failure;
  return {
    Range: ({ request }) => {
      const answer = first;
      first = undefined;
      if (answer !== undefined) return answer;
      const { revision } = request as RangeRequest;
      return { header: { revision: revision === 0n ? newest++ : revision }, kvs: [] };
    },
  };
};

const revisionsAsked = (server: FakeServer) => server.calls.map(({ request }) => (request as RangeRequest).revision);

test("reads that a transaction begins at the same time are of one revision", async () => {
  await using server = await FakeServer.start(answersOfChangingStore());
  await using client = patientClient({ endpoints: [server.endpoint] });
  await client.stm((tx) => Promise.all(["a", "b", "c"].map((key) => tx.get(key))));
  assert.deepEqual(revisionsAsked(server), [0n, 5n, 5n]);
});

test("after a failed first read the next read sets the revision, also for waiting reads", async () => {
  await using server = await FakeServer.start(answersOfChangingStore({ code: 3, details: "refused" }));
  await using client = patientClient({ endpoints: [server.endpoint] });
  const read = await client.stm((tx) => Promise.allSettled(["a", "b", "c"].map((key) => tx.get(key))));
  assert.deepEqual(
    read.map(({ status }) => status),
    ["rejected", "fulfilled", "fulfilled"],
  );
  assert.deepEqual(revisionsAsked(server), [0n, 0n, 5n]);
});
