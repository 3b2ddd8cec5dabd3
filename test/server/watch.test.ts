// The Watch service of one member, request by request and answer by answer (etcd v3 API, Watch).

import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { Client } from "../../client/index.js";
import type { WatchResponse } from "../../proto/index.js";
import type { ServerFlags } from "../../server/config.js";
import { Member } from "../../server/member.js";
import { shownEvent, WatchStream } from "../support/watch-stream.js";
import { quietEnvironment, singleMember, temporaryDirectory } from "./member-fixtures.js";

const startMember = async (t: TestContext, flags: Partial<ServerFlags> = {}) => {
  const directory = await temporaryDirectory(t);
  const member = await Member.start(singleMember(directory, flags), quietEnvironment());
  const endpoint = `unix:${join(directory, "client")}`;
  const client = new Client({ endpoints: [endpoint] });
  t.after(async () => {
    await client.close();
    await member.stop();
  });
  await member.ready;
  return { member, client, endpoint };
};

/** What of a response is not left at its default: `id 0 rev 3 created`. */
const shown = (response: WatchResponse): string =>
  [
    `id ${response.watchId}`,
    `rev ${response.header?.revision}`,
    ...(response.created ? ["created"] : []),
    ...(response.canceled ? ["canceled"] : []),
    ...(response.compactRevision === 0n ? [] : [`compacted ${response.compactRevision}`]),
    ...(response.cancelReason === "" ? [] : [`"${response.cancelReason}"`]),
    ...(response.fragment ? ["fragment"] : []),
    ...response.events.map(shownEvent),
  ].join(" ");

test("a watcher is told of each change as it happens: a put in full, a delete by key and revision", async (t) => {
  const { client, endpoint } = await startMember(t);
  using stream = new WatchStream(endpoint);
  assert.equal(shown(await stream.create({ key: "k" })), "id 0 rev 1 created");
  await client.kv.put("k", "v");
  await client.kv.put("other", "v");
  await client.kv.delete("k");
  assert.equal(shown(await stream.next()), "id 0 rev 2 PUT k=v 2");
  const deleted = await stream.next();
  assert.equal(shown(deleted), "id 0 rev 4 DELETE k 4");
  const [{ kv } = { kv: undefined }] = deleted.events;
  assert.deepEqual(
    { create: kv?.createRevision, version: kv?.version, value: kv?.value.length, lease: kv?.lease },
    { create: 0n, version: 0n, value: 0, lease: 0n },
  );
});
