// Endpoints that are replaced by the client URLs of the members.

import assert from "node:assert/strict";
import { test } from "node:test";
import { MemberListResponse, WatchResponse, type WatchRequest } from "../../../proto/index.js";
import { within } from "../../support/deadline.js";
import { patientClient } from "../../support/patient-client.js";
import { FakeServer, oneKey, putAt } from "../fake-server.js";

const member = (name: string, url: string, isLearner = false) => ({ name, clientURLs: [url], isLearner });

test("syncEndpoints uses the voters that have started, and drops the others", async () => {
  await using first = await FakeServer.start({ Range: oneKey("k", "first"), Put: new Promise(() => undefined) });
  await using second = await FakeServer.start({ Range: oneKey("k", "second") });
  first.answers = {
    ...first.answers,
    MemberList: MemberListResponse.create({
      members: [
        member("b", `http://${second.endpoint}/`),
        member("", "http://127.0.0.1:1"),
        member("learner", "http://127.0.0.1:2", true),
      ],
    }),
  };
  await using client = patientClient({ endpoints: [first.endpoint] });
  const watch = client.watch("k", { startRevision: 5 });
  await first.stream<WatchRequest, WatchResponse>();
  let answer: (response: object) => void = () => undefined;
  first.answers = { ...first.answers, Put: new Promise((resolve) => (answer = resolve)) };
  first.calls.length = 0;
  const put = client.kv.put("k", "v");
  await first.waitForCall();
  assert.deepEqual(await client.syncEndpoints(), [`http://${second.endpoint}/`]);
  assert.equal(await client.kv.getText("k"), "second");
  const moved = await second.stream<WatchRequest, WatchResponse>();
  assert.ok((await moved.request()).requestUnion);
  answer(putAt(7n));
  assert.equal((await put).header.revision, 7, "a request that was under way ends where it is");
  await watch.close();
});

test("syncEndpoints keeps the connection of an endpoint that stays, in any spelling", async () => {
  await using server = await FakeServer.start();
  server.answers = {
    MemberList: MemberListResponse.create({ members: [member("a", `http://${server.endpoint}`)] }),
    Range: oneKey("k", "v"),
  };
  await using client = patientClient({ endpoints: [server.endpoint] });
  const watch = client.watch("k");
  const stream = await server.stream<WatchRequest, WatchResponse>();
  stream.send(WatchResponse.create({ created: true }));
  await watch.whenReady();
  assert.deepEqual(await client.syncEndpoints(), [server.endpoint]);
  stream.send(WatchResponse.create({ events: [{ kv: { key: Uint8Array.of(107), modRevision: 3n } }] }));
  const { value } = await within(20_000, "an event on the same stream", watch[Symbol.asyncIterator]().next());
  assert.equal(value?.kv.modRevision, 3);
});

test("syncEndpoints refuses an address that cannot be used, and changes nothing", async () => {
  await using server = await FakeServer.start();
  server.answers = {
    MemberList: MemberListResponse.create({ members: [member("a", "ftp://127.0.0.1:2379")] }),
    Range: oneKey("k", "v"),
  };
  await using client = patientClient({ endpoints: [server.endpoint] });
  await assert.rejects(client.syncEndpoints(), TypeError);
  assert.deepEqual(client.endpointList, [server.endpoint]);
  assert.equal(await client.kv.getText("k"), "v");
});
