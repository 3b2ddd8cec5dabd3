// A member with its data in memory restarts from it as from files, while the program keeps the storage.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import test from "node:test";
import type { MemberConfig } from "../../../server/config/config.js";
import { ProcessParts } from "../../../server/member/parts.js";
import { openReplica, type Replica } from "../../../server/member/replica.js";
import { storageOf } from "../../../server/member/storage.js";
import { quietEnvironment, singleMember } from "./member-fixtures.js";

const dataDir = "/nowhere/on/this/machine";

const open = async (config: MemberConfig, parts: ProcessParts): Promise<Replica> => {
  const replica = await openReplica(parts, config, quietEnvironment(), {
    onFailure: (error) => assert.fail(error),
    onStatusChange: () => undefined,
  });
  await replica.publish({ name: config.member.name, clientUrls: [] });
  return replica;
};

test("a member in memory writes no file, and a second opening continues with its log and store", async () => {
  const config = singleMember(dataDir, { heartbeatInterval: "20", electionTimeout: "200" });
  const storage = storageOf("memory");
  const parts = (): ProcessParts => new ProcessParts(undefined, storage);
  const first = await open(config, parts());
  const { commit, term } = first.node.status();
  await first.close();
  const second = await open(config, parts());
  const after = second.node.status();
  assert.ok(after.commit > commit, "the log goes on");
  assert.ok(after.term > term);
  await second.close();
  assert.equal(existsSync("/nowhere"), false);
});

test("two storages in memory are independent", async () => {
  const config = singleMember(dataDir, { heartbeatInterval: "20", electionTimeout: "200" });
  const [one, other] = [await open(config, new ProcessParts(undefined, storageOf("memory"))), storageOf("memory")];
  const names = await new Promise((resolve) => other.disk.list("/", (_, listed) => resolve(listed)));
  assert.deepEqual(names, []);
  await one.close();
});
