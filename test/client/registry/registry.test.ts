// Services: the layout of their keys, which instances are found, and a lost lease.

import * as grpc from "@grpc/grpc-js";
import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, registerGrpcResolver, toText } from "../../../client/index.js";
import {
  LeaseGrantResponse,
  type LeaseGrantRequest,
  type LeaseKeepAliveRequest,
  type LeaseKeepAliveResponse,
  type PutRequest,
  RangeResponse,
  WatchResponse,
  type WatchRequest,
} from "../../../proto/index.js";
import { eventually, within } from "../../support/deadline.js";
import { patientClient } from "../../support/patient-client.js";
import { FakeServer, oneKey } from "../fake-server.js";

const deadlineMs = 20_000;
const utf8 = (text: string) => new TextEncoder().encode(text);
const kvOf = ([key, value]: [string, string]) => ({ key: utf8(key), value: utf8(value), modRevision: 3n });
const listingOf = (keys: Readonly<Record<string, string>>) =>
  RangeResponse.create({ header: { revision: 9n }, kvs: Object.entries(keys).map(kvOf) });

const requestsOf = (server: FakeServer, name: string): unknown[] =>
  server.calls.filter(({ method }) => method === name).map(({ request }) => request);

test("an instance has Go's key and value under a lease, and another lease when that is lost", async () => {
  await using server = await FakeServer.start({ LeaseGrant: LeaseGrantResponse.create({ ID: 7n, TTL: 60n }) });
  await using client = patientClient({ endpoints: [server.endpoint] });
  const instance = { service: "web", address: "10.0.0.7:80", ttlSeconds: 60, metadata: { zone: "a" } };
  await using registration = await client.register(instance);
  const [put] = requestsOf(server, "Put") as PutRequest[];
  assert.deepEqual([toText(put!.key), put!.lease], ["web/10.0.0.7:80", 7n]);
  assert.equal(toText(put!.value), '{"Op":0,"Addr":"10.0.0.7:80","Metadata":{"zone":"a"}}');
  const stream = await server.stream<LeaseKeepAliveRequest, LeaseKeepAliveResponse>();
  await stream.request();
  server.answers = { LeaseGrant: LeaseGrantResponse.create({ ID: 8n, TTL: 60n }) };
  stream.send({ header: undefined, ID: 7n, TTL: 0n });
  const again = await eventually(deadlineMs, "the second put", () =>
    Promise.resolve((requestsOf(server, "Put") as PutRequest[])[1]),
  );
  assert.deepEqual([toText(again.key), again.lease], ["web/10.0.0.7:80", 8n]);
  await registration.close();
  assert.equal(registration.isRegistered, false);
  assert.equal((requestsOf(server, "LeaseGrant") as LeaseGrantRequest[]).length, 2);
  assert.equal(requestsOf(server, "LeaseRevoke").length, 1);
});

test("an instance without a service or an address is refused before anything is sent", async () => {
  await using server = await FakeServer.start({});
  await using client = patientClient({ endpoints: [server.endpoint] });
  for (const instance of [{ service: "", address: "a:1" }, { service: "web", address: "" }, {}])
    await assert.rejects(
      client.register(instance as { service: string; address: string }),
      /Cannot register: expected/,
    );
  assert.equal(server.calls.length, 0);
});

test("resolve lists the instances, and lists them again when one comes or goes", async () => {
  const values = { "web/a:1": '{"Op":0,"Addr":"a:1","Metadata":null}', "web/bad": "none", "web/odd": "[]" };
  await using server = await FakeServer.start({ Range: listingOf(values) });
  await using client = patientClient({ endpoints: [server.endpoint] });
  const lists = client.resolve("web");
  const next = async () => (await within(deadlineMs, "a list", lists.next())).value;
  assert.deepEqual(await next(), [{ address: "a:1", metadata: undefined }]);
  const stream = await server.stream<WatchRequest, WatchResponse>();
  stream.send(WatchResponse.create({ created: true }));
  const added = { key: utf8("web/b:2"), value: utf8('{"Op":0,"Addr":"b:2","Metadata":"m"}'), modRevision: 10n };
  stream.send(WatchResponse.create({ events: [{ kv: added }] }));
  assert.deepEqual(await next(), [
    { address: "a:1", metadata: undefined },
    { address: "b:2", metadata: "m" },
  ]);
  const waiting = lists.next();
  await lists.return();
  assert.deepEqual(await waiting, { done: true, value: undefined });
  await stream.whenEnded();
});

test("grpc-js connects to a service by the name etcd:///<service>", async () => {
  await using service = await FakeServer.start({ Range: oneKey("k", "answered") });
  const value = JSON.stringify({ Op: 0, Addr: service.endpoint, Metadata: null });
  await using server = await FakeServer.start({ Range: listingOf({ "web/1": value }) });
  await using client = new Client({ endpoints: [server.endpoint] });
  registerGrpcResolver(grpc, client);
  const caller = new grpc.Client("etcd:///web", grpc.credentials.createInsecure());
  try {
    const answer = await new Promise<Buffer | undefined>((resolve, reject) => {
      const returnAsIs = (bytes: Buffer) => bytes;
      const deadline = Date.now() + deadlineMs;
      caller.makeUnaryRequest(
        "/etcdserverpb.KV/Range",
        returnAsIs,
        returnAsIs,
        Buffer.alloc(0),
        { deadline },
        (error, bytes) => (error === null ? resolve(bytes) : reject(error)),
      );
    });
    assert.equal(toText(RangeResponse.decode(answer!).kvs[0]!.value), "answered");
  } finally {
    caller.close();
  }
});
