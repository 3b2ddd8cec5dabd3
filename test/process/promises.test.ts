// Promises of a cluster to its clients, on three real processes with real signals.

import assert from "node:assert/strict";
import test from "node:test";
import { setImmediate } from "node:timers/promises";
import { Client as GrpcClient, credentials, status, type ServiceError } from "@grpc/grpc-js";
import { EtcdError } from "../../client/index.js";
import { RangeRequest, RangeResponse } from "../../proto/index.js";
import { eventually } from "../support/deadline.js";
import { fastElections, startCluster } from "../support/minietcd-cluster.js";
import { scaleMs } from "../support/machine-speed.js";
import { patientClient } from "../support/patient-client.js";

/** A request may take 5 s and two election timeouts (etcd v3 API), and the machine may be busy. */
const longEnoughMs = 20_000;

test("an acknowledged put survives the loss of the leader", async () => {
  await using cluster = await startCluster();
  const { header } = await cluster.client.kv.put("k", "v");
  const leader = await cluster.leader();
  await leader.kill("SIGKILL");
  const { kvs } = await cluster.client.kv.get("k", { timeoutMs: scaleMs(longEnoughMs) });
  assert.equal(Buffer.from(kvs[0]?.value ?? "").toString(), "v");
  assert.equal(kvs[0]?.modRevision, header.revision);
});

test("a client of a follower reads its own writes, and those of other clients", async () => {
  await using cluster = await startCluster();
  const [one, other] = await cluster.followers();
  await using here = one!.client();
  await using there = other!.client();
  for (let n = 0; n < 20; n++) {
    const { header } = await here.kv.put("k", `${n}`);
    // A serializable read is from the follower's own copy, which has applied the write that it acknowledged.
    const own = await here.kv.get("k", { serializable: true });
    assert.equal(own.kvs[0]?.modRevision, header.revision);
    assert.equal(await there.kv.getText("k"), `${n}`);
  }
});

test("a leader that continues after a freeze never answers a stale linearizable read", async () => {
  await using cluster = await startCluster({ flags: fastElections });
  await cluster.client.kv.put("k", "old");
  const frozen = await cluster.leader();
  const others = cluster.members.filter((member) => member !== frozen);
  await using asksFrozen = frozen.client();
  await using asksOthers = patientClient({ endpoints: others.map(({ endpoint }) => endpoint) });
  assert.equal(await asksFrozen.kv.getText("k"), "old"); // connected, so that the reads below are in the member's socket when it resumes

  frozen.pause();
  try {
    await cluster.leader(others);
    await asksOthers.kv.put("k", "new", { timeoutMs: scaleMs(longEnoughMs) });
    const reads = Array.from({ length: 50 }, () => asksFrozen.kv.getText("k", { timeoutMs: scaleMs(longEnoughMs) }));
    // The client writes them at the end of this turn. On loopback they are then in the member's socket, as its first input.
    await setImmediate();
    await setImmediate();
    frozen.resume();
    assert.deepEqual(new Set(await Promise.all(reads)), new Set(["new"]));
  } finally {
    frozen.resume();
  }
  await asksFrozen.kv.put("k", "newest", { timeoutMs: scaleMs(longEnoughMs) });
  assert.equal(await asksOthers.kv.getText("k"), "newest");
});

test("without a quorum serializable reads succeed; linearizable reads and writes end with etcd's errors", async () => {
  await using cluster = await startCluster({ flags: fastElections });
  await cluster.client.kv.put("k", "v");
  const leader = await cluster.leader();
  const [last, other] = await cluster.followers();
  await using client = last!.client();
  await client.kv.getText("k"); // the member has applied everything
  await Promise.all([leader.kill(), other!.kill()]);
  await eventually(longEnoughMs, "the last member to notice", async () => {
    const { errors } = await cluster.status(last!);
    return errors.includes("etcdserver: no leader") ? true : undefined;
  });

  const local = await client.kv.get("k", { serializable: true });
  assert.equal(local.count, 1);
  const [write, read] = await Promise.all([
    client.kv.put("k", "w", { timeoutMs: scaleMs(longEnoughMs) }).catch((error: unknown) => error),
    rangeAnswer(last!.endpoint),
  ]);
  assert.ok(write instanceof EtcdError);
  assert.equal(write.code, "deadline-exceeded");
  assert.equal(write.message, "context deadline exceeded"); // not proposed, as there was no leader
  assert.deepEqual(read, { code: status.UNAVAILABLE, details: "etcdserver: request timed out" });

  await Promise.all([leader.restart(), other!.restart()]);
  assert.equal(await client.kv.getText("k", { timeoutMs: scaleMs(longEnoughMs) }), "v");
});

/** Sends one linearizable read; our client would retry it. */
const rangeAnswer = (endpoint: string): Promise<Pick<ServiceError, "code" | "details"> | undefined> => {
  const grpc = new GrpcClient(endpoint, credentials.createInsecure());
  return new Promise((resolve) =>
    grpc.makeUnaryRequest(
      "/etcdserverpb.KV/Range",
      (request: RangeRequest) => Buffer.from(RangeRequest.encode(request).finish()),
      (bytes: Buffer) => RangeResponse.decode(bytes),
      RangeRequest.create({ key: Buffer.from("k") }),
      { deadline: Date.now() + scaleMs(longEnoughMs) },
      (failure) => {
        grpc.close();
        resolve(failure === null ? undefined : { code: failure.code, details: failure.details });
      },
    ),
  );
};

test("a restart of all members keeps ids, revisions and data", async (t) => {
  const began = performance.now();
  await using cluster = await startCluster();
  t.diagnostic(`three fresh members ready after ${(performance.now() - began).toFixed(0)} ms`);
  for (let n = 0; n < 20; n++) await cluster.client.kv.put(`k/${n % 7}`, `${n}`);
  await cluster.client.kv.delete("k/3");
  await cluster.client.kv.compact(10, { physical: true });
  const readState = async () => {
    const { members } = await cluster.client.cluster.memberList();
    const { kvs, header } = await cluster.client.kv.get("k/", { prefix: true, timeoutMs: scaleMs(longEnoughMs) });
    const past = await cluster.client.kv.get("k/", { prefix: true, revision: 15 });
    const compacted = await cluster.client.kv.get("k/", { revision: 9 }).catch((error: unknown) => error);
    assert.ok(compacted instanceof EtcdError);
    return {
      clusterId: header.clusterId,
      revision: header.revision,
      members: members.map(({ ID, name, peerURLs }) => ({ ID, name, peerURLs })),
      kvs,
      past: past.kvs,
      compacted: compacted.message,
    };
  };
  const before = await readState();
  assert.equal(before.compacted, "etcdserver: mvcc: required revision has been compacted");
  assert.deepEqual(before.members.map(({ name }) => name).sort(), ["m1", "m2", "m3"]);

  await Promise.all(cluster.members.map((member) => member.kill("SIGTERM")));
  await cluster.start();
  assert.deepEqual(await readState(), before);

  const follower = (await cluster.followers())[0]!;
  await follower.kill("SIGTERM");
  const again = performance.now();
  await follower.restart();
  t.diagnostic(`a restarted member ready after ${(performance.now() - again).toFixed(0)} ms`);
});
