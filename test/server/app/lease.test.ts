// Leases that are granted and kept alive through the application of a member in this process.

import assert from "node:assert/strict";
import { test } from "node:test";
import { LeaseGrantRequest, LeaseTimeToLiveResponse, PutRequest } from "../../../proto/index.js";
import { minLeaseTtl } from "../../../server/app/lease.js";
import { resultOf } from "../../../server/app/result-of.js";
import { anonymousCaller } from "../../../server/base/caller.js";
import { startApplication } from "./application-fixtures.js";
import { toLeaseId } from "../../../testing/ids.js";

test("the shortest TTL outlasts an election, in whole seconds as etcd counts it", () => {
  const cases: readonly [heartbeatMs: number, electionMs: number, seconds: number][] = [
    [100, 1_000, 2],
    [20, 200, 1],
    [500, 5_000, 8],
    [100, 1_050, 2], // 10 ticks: a partial tick does not count
    [300, 2_100, 3], // floor(1.5 × 7) ticks
    [1_000, 50_000, 75],
  ];
  for (const [heartbeatMs, electionMs, seconds] of cases)
    assert.equal(minLeaseTtl({ heartbeatMs, electionMs }), seconds, `${heartbeatMs} ${electionMs}`);
});

test("a lease is granted, has keys, is kept alive and revoked", async (t) => {
  const { application } = await startApplication(t);
  const granted = await resultOf(application.leaseGrant, anonymousCaller, LeaseGrantRequest.fromPartial({ TTL: 60n }));
  const { ID, TTL } = granted.response;
  assert.deepEqual([granted.revision, TTL], [1, 60n]);
  await resultOf(application.put, anonymousCaller, PutRequest.fromPartial({ key: Buffer.from("k"), lease: ID }));

  const { response } = await resultOf(application.leaseTimeToLive, anonymousCaller, { ID, keys: true });
  assert.deepEqual([response.ID, response.grantedTTL], [ID, 60n]);
  const { keys } = LeaseTimeToLiveResponse.decode(response.encodedKeys);
  assert.deepEqual(keys.map(String), ["k"]);

  const session = application.leaseKeepAlive(anonymousCaller, { onError: assert.ifError });
  const renew = (_caller: unknown, id: bigint, handler: Parameters<typeof session.renew>[1]): void =>
    session.renew(toLeaseId(id), handler);
  assert.deepEqual(await resultOf(renew, anonymousCaller, ID), { response: 60n, revision: 2 });
  assert.deepEqual(await resultOf(renew, anonymousCaller, ID + 1n), { response: 0n, revision: 2 });
  session.close();

  const listed = await resultOf(application.leaseLeases, anonymousCaller, {});
  assert.deepEqual(
    listed.response.map(({ id }) => id),
    [ID],
  );
  assert.equal((await resultOf(application.leaseRevoke, anonymousCaller, { ID })).revision, 3);
  const gone = await resultOf(application.leaseTimeToLive, anonymousCaller, { ID, keys: true });
  assert.deepEqual(gone.response, { ID, TTL: -1n, grantedTTL: 0n, encodedKeys: new Uint8Array() });
});

test("a TTL beyond etcd's limit is refused at once", async (t) => {
  const { application } = await startApplication(t);
  await assert.rejects(
    resultOf(application.leaseGrant, anonymousCaller, LeaseGrantRequest.fromPartial({ TTL: 9_000_000_001n })),
    { code: "lease-ttl-too-large" },
  );
});
