// Elections against a server whose answers the test chooses. Real members: on-cluster.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { LeaseGrantResponse, type TxnRequest } from "../../../proto/index.js";
import { FakeServer } from "../fake-server.js";
import { patientClient } from "../../support/patient-client.js";

const utf8 = (text: string) => new TextEncoder().encode(text);

test("a campaign that fails under a lease that already leads does not keep leading", async () => {
  const kvs = [{ key: utf8("jobs/5"), value: utf8("what it said before"), createRevision: 7n }];
  const ownKey = { response: { $case: "responseRange", value: { kvs } } };
  await using server = await FakeServer.start({
    LeaseGrant: LeaseGrantResponse.create({ ID: 5n, TTL: 3_600n }),
    Txn: { succeeded: false, responses: [ownKey, ownKey] }, // the candidate has its place already, so the update of its value fails
  });
  await using client = patientClient({ endpoints: [server.endpoint] });
  await using lease = await client.lease.hold({ ttlSeconds: 3_600 });
  await assert.rejects(client.election("jobs").campaign("something new", { lease }), { code: "failed-precondition" });
  const { compare, success } = server.calls.at(-1)?.request as TxnRequest;
  assert.equal(compare[0]?.targetUnion?.value, 7n);
  assert.equal(success[0]?.request?.$case, "requestDeleteRange");
  assert.equal(Buffer.from(success[0].request.value.key).toString(), "jobs/5");
});
