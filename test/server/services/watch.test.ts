// Watch over gRPC, on one member: behaviour that needs a real connection.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { status } from "@grpc/grpc-js";
import type { ServerFlags } from "../../../server/config/config.js";
import { Member } from "../../../server/member/member.js";
import { within } from "../../support/deadline.js";
import { WatchStream } from "../../support/watch-stream.js";
import { quietEnvironment, singleMember, temporaryDirectory } from "../member/member-fixtures.js";
import { patientClient } from "../../support/patient-client.js";

const startMember = async (t: TestContext, flags: Partial<ServerFlags> = {}) => {
  const directory = await temporaryDirectory(t);
  const member = await Member.start(singleMember(directory, flags), quietEnvironment());
  const endpoint = `unix:${join(directory, "client")}`;
  const client = patientClient({ endpoints: [endpoint] });
  t.after(async () => {
    await client.close();
    await member.stop();
  });
  await member.whenReady;
  return { member, client, endpoint };
};

test("a put event has the whole KeyValue, a delete event only key and revision", async (t) => {
  const { client, endpoint } = await startMember(t);
  using stream = new WatchStream(endpoint);
  await stream.create({ key: "k" });
  await client.kv.put("k", "v");
  await client.kv.delete("k");
  assert.deepEqual(await stream.nextEvents(2), ["PUT k=v 2", "DELETE k 3"]);
  const [put, deleted] = stream.received.flatMap(({ events }) => events);
  const bytes = (text: string) => Buffer.from(text);
  const key = bytes("k");
  const kv = { key, value: bytes("v"), createRevision: 2n, modRevision: 2n, version: 1n, lease: 0n };
  assert.deepEqual(put, { type: 0, kv, prevKv: undefined });
  const nothing = { value: new Uint8Array(), createRevision: 0n, version: 0n, lease: 0n };
  assert.deepEqual(deleted, { type: 1, kv: { key, modRevision: 3n, ...nothing }, prevKv: undefined });
});

test("a client that has half-closed its stream continues to get events", async (t) => {
  const { client, endpoint } = await startMember(t);
  using stream = new WatchStream(endpoint);
  await stream.create({ key: "k" });
  stream.halfClose();
  await client.kv.put("k", "v");
  assert.deepEqual(await stream.nextEvents(1), ["PUT k=v 2"]);
});

test("a member that stops ends its watch streams with an error", async (t) => {
  const { member, endpoint } = await startMember(t);
  using stream = new WatchStream(endpoint, { hasleader: "true" });
  await stream.create({ key: "k" });
  await member.stop();
  const { code, details } = await within(5_000, "the end of the stream", stream.whenEnded);
  assert.deepEqual({ code, details }, { code: status.UNAVAILABLE, details: "etcdserver: server stopped" });
});

test("a client that pauses reading misses no event, and other clients do not wait for it", async (t) => {
  const { client, endpoint } = await startMember(t);
  using slow = new WatchStream(endpoint);
  using other = new WatchStream(endpoint);
  const count = 200;
  const value = "x".repeat(20_000); // together far more than all buffers hold
  await slow.create({ key: "k" });
  await other.create({ key: "k" });
  slow.pause();
  for (let n = 0; n < count; n += 20)
    await Promise.all(Array.from({ length: 20 }, (_, m) => client.kv.put("k", `${n + m} ${value}`)));
  const revisions = async (stream: WatchStream) => {
    const events = await stream.nextEvents(count);
    return events.map((event) => Number(event.slice(event.lastIndexOf(" "))));
  };
  const expected = Array.from({ length: count }, (_, n) => n + 2);
  assert.deepEqual(await revisions(other), expected);
  slow.resume();
  assert.deepEqual(await revisions(slow), expected);
});
