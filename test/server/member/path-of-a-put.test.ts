// The files that a put crosses in a member, collected from stacks and compared with the table in docs/architecture.md.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Client } from "../../../client/index.js";
import { Leadership } from "../../../raft/core/leadership.js";
import { Wal } from "../../../raft/wal/wal.js";
import { Member } from "../../../server/member/member.js";
import { Write } from "../../../store/mvcc/write.js";
import { quietEnvironment, singleMember, temporaryDirectory } from "./member-fixtures.js";

/** The maximum number of a member's files on the path of a put. */
const maxFiles = 12;

/** Returns the files of a member that call each other on a stack, without those of the engine, which has a table of its own. */
const filesOnStack = (stack: string): string[] =>
  [...stack.matchAll(/\/((?:server|raft|store)\/[\w/-]+\.ts):\d/g)]
    .map(([, file = ""]) => file)
    .filter((file) => !file.startsWith("server/net/") || file.endsWith("/unary-call.ts"));

/** Collects the files on the stack of each call of a method. */
const watchCalls = <Name extends string>(
  prototype: Record<Name, (...args: never[]) => unknown>,
  name: Name,
  files: Set<string>,
): (() => void) => {
  const original = prototype[name];
  prototype[name] = function (this: unknown, ...args: never[]): unknown {
    const held: { stack?: string } = {};
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 100;
    Error.captureStackTrace(held, prototype[name]);
    for (const file of filesOnStack(held.stack ?? "")) files.add(file);
    Error.stackTraceLimit = stackTraceLimit;
    return original.apply(this, args);
  };
  return () => (prototype[name] = original);
};

const documentedFiles = (): string[] => {
  const section =
    readFileSync("docs/architecture.md", "utf8").split("## The path of a put\n")[1]?.split("\n## ")[0] ?? "";
  return [...section.matchAll(/^\| `((?:server|raft|store)\/[\w/-]+\.ts)` \|/gm)].map(([, file = ""]) => file);
};

test("a put crosses the files of a member that the table of its path names, twelve at most", async (t) => {
  const directory = await temporaryDirectory(t);
  const member = await Member.start(singleMember(directory, { rpcEngine: "native" }), quietEnvironment());
  t.after(() => member.stop());
  await member.whenReady;
  const client = new Client({ endpoints: [`unix://${join(directory, "client")}`] });
  t.after(() => client.close());
  await client.kv.put("a", "1");
  const files = new Set(["raft/core/leadership.ts", "raft/wal/wal.ts", "store/mvcc/write.ts"]);
  const restores = [
    watchCalls(Leadership.prototype, "propose", files),
    watchCalls(Wal.prototype, "append", files),
    watchCalls(Write.prototype, "put", files),
  ];
  await client.kv.put("a", "2");
  for (const restore of restores) restore();
  assert.deepEqual([...files].sort(), documentedFiles().sort());
  assert.ok(files.size <= maxFiles, `${files.size} files`);
});
