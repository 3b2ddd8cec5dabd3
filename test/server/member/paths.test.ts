// The files that a put, a get, a watch and a keep-alive cross in a member, collected from stacks and compared with the tables in
// docs/architecture.md.

import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Client } from "../../../client/index.js";
import { Leadership } from "../../../raft/core/leadership.js";
import { ReadRounds } from "../../../raft/core/read-rounds.js";
import { Wal } from "../../../raft/wal/wal.js";
import { PeerCalls } from "../../../server/lease/calls.js";
import { LeaseCalls } from "../../../server/lease/lease-calls.js";
import { LeaseTerm } from "../../../server/lease/lease-term.js";
import { Member } from "../../../server/member/member.js";
import { ConnectionWriter } from "../../../server/net/http2/writer.js";
import { OutgoingLink } from "../../../server/peers/outgoing-link.js";
import { Applier } from "../../../server/replication/apply/applier.js";
import { Reads } from "../../../server/replication/reads.js";
import { KvStore } from "../../../store/kv-store.js";
import { Values } from "../../../store/mvcc/values.js";
import { Write } from "../../../store/mvcc/write.js";
import { WatchEvent } from "../../../store/watch/watch-event.js";
import { WatchHistory } from "../../../store/watch/watch-history.js";
import { InterestGroup } from "../../../store/watch/watch-interest.js";
import { fileRows } from "../../docs/architecture-tables.js";
import { eventually, within } from "../../support/deadline.js";
import { quietEnvironment, singleMember, temporaryDirectory } from "./member-fixtures.js";

/** A method at whose calls the stack is looked at. */
interface Point {
  /** The file of the method. */
  readonly file: string;
  /** Calls back with the stack of each call. @returns a function that ends this */
  observe(onCall: (stack: string) => void): () => void;
  /** The file at which the path begins: its callers are on another path. Undefined: all callers count. */
  readonly from: string | undefined;
}

const pointAt = <Name extends string>(
  file: string,
  { prototype }: { readonly prototype: Record<Name, (...args: never[]) => unknown> },
  name: Name,
  from?: string,
): Point => ({
  file,
  from,
  observe: (onCall) => {
    const original = prototype[name];
    prototype[name] = function (this: unknown, ...args: never[]): unknown {
      const held: { stack?: string } = {};
      const { stackTraceLimit } = Error;
      Error.stackTraceLimit = 100;
      Error.captureStackTrace(held, prototype[name]);
      onCall(held.stack ?? "");
      Error.stackTraceLimit = stackTraceLimit;
      return original.apply(this, args);
    };
    return () => (prototype[name] = original);
  },
});

/** The files of the native engine that stand for it; the others have a table of their own. */
const engineFiles = new Set(["unary-call", "stream-calls", "writer"].map((name) => `server/net/http2/${name}.ts`));

/** Returns the files of a member that call each other on the stack of a point. */
const filesOnStack = (stack: string, { file: called, from }: Point): string[] => {
  const files = [...stack.matchAll(/\/((?:server|raft|store)\/[\w/-]+\.ts):\d/g)].map(([, file = ""]) => file);
  const end = files.findIndex((file, n) => file === from && files[n + 1] !== from);
  return [called, ...(end === -1 ? files : files.slice(0, end + 1))].filter(
    (file) => !file.startsWith("server/net/") || engineFiles.has(file),
  );
};

interface Path {
  /** The heading of its table. */
  readonly section: string;
  readonly points: readonly Point[];
  /** The maximum number of files. */
  readonly maxFiles: number;
  /** Makes the request whose path it is. */
  readonly request: (client: Client) => Promise<unknown>;
  /** Prepares for the request: its stacks do not count. */
  readonly prepare: (client: Client) => Promise<unknown>;
}

const reads = "server/replication/reads.ts";
const kvStore = "store/kv-store.ts";

const paths: readonly Path[] = [
  {
    section: "The path of a put",
    points: [
      pointAt("raft/core/leadership.ts", Leadership, "propose"),
      pointAt("raft/wal/wal.ts", Wal, "append"),
      pointAt("store/mvcc/write.ts", Write, "put"),
    ],
    maxFiles: 12,
    prepare: ({ kv }) => kv.put("a", "1"),
    request: ({ kv }) => kv.put("a", "2"),
  },
  {
    section: "The path of a get",
    points: [
      pointAt(reads, Reads, "startRead"),
      pointAt("raft/core/read-rounds.ts", ReadRounds, "takeConfirmedRound"),
      pointAt("server/replication/apply/applier.ts", Applier, "callWhenApplied"),
      pointAt("store/mvcc/values.ts", Values, "readNewest"),
    ],
    maxFiles: 14,
    prepare: ({ kv }) => kv.put("a", "1"),
    request: ({ kv }) => kv.get("a"),
  },
  {
    section: "The path of a watch",
    points: [
      pointAt(kvStore, KvStore, "watch"),
      pointAt("store/watch/watch-history.ts", WatchHistory, "read"),
      pointAt("store/watch/watch-interest.ts", InterestGroup, "add"),
      pointAt("store/watch/watch-interest.ts", InterestGroup, "findByKey", kvStore),
      pointAt("store/watch/watch-event.ts", WatchEvent, "encodeFor", kvStore),
      pointAt("server/net/http2/writer.ts", ConnectionWriter, "sendEach", kvStore),
    ],
    maxFiles: 12,
    prepare: ({ kv }) => kv.put("a", "1"),
    request: async (client) => {
      const watch = client.watch("a", { startRevision: 2 });
      for await (const { kv } of watch) {
        if (kv.version === 2) break;
        await client.kv.put("a", "2"); // after the event of the first put, from history, the watch is live
      }
    },
  },
  {
    section: "The path of a keep-alive",
    points: [pointAt(reads, Reads, "startRead"), pointAt("server/lease/lease-term.ts", LeaseTerm, "renewLease", reads)],
    maxFiles: 9,
    prepare: ({ kv }) => kv.put("a", "1"),
    request: ({ lease }) => lease.hold({ ttlSeconds: 60 }), // the first renewal is sent as soon as the stream is open
  },
];

/** Makes a request, and returns the files on the stacks of the points; each point is crossed. */
const filesCrossed = async (points: readonly Point[], request: () => Promise<unknown>): Promise<Set<string>> => {
  const files = new Set<string>();
  const uncrossed = new Set(points);
  const ends = points.map((point) =>
    point.observe((stack) => {
      uncrossed.delete(point);
      for (const file of filesOnStack(stack, point)) files.add(file);
    }),
  );
  await within(10_000, "the end of the request", request());
  await eventually(10_000, "the calls are made", () => (uncrossed.size === 0 ? true : undefined));
  for (const end of ends) end();
  return files;
};

/** Asserts that the rows of the sections name all `files`, and that the files of the rows of the first section are among them. */
const assertNamed = (files: ReadonlySet<string>, ...sections: readonly [string, ...string[]]): void => {
  const named = new Set(sections.flatMap(fileRows).flatMap(({ file, furtherFiles }) => [file, ...furtherFiles]));
  assert.deepEqual(
    [...files].filter((file) => !named.has(file)),
    [],
    "files that no row names",
  );
  const inRows = new Set(
    fileRows(sections[0])
      .map(({ file }) => file)
      .filter((file) => /^(server|raft|store)\//.test(file)),
  );
  assert.deepEqual(
    [...inRows].filter((file) => !files.has(file)),
    [],
    "rows whose file was not crossed",
  );
};

for (const { section, points, maxFiles, prepare, request } of paths)
  test(`${section.toLowerCase()} crosses the files of a member that its table names, ${maxFiles} at most`, async (t) => {
    const directory = await temporaryDirectory(t);
    const member = await Member.start(singleMember(directory, { rpcEngine: "native" }), quietEnvironment());
    t.after(() => member.stop());
    await member.whenReady;
    const client = new Client({ endpoints: [`unix://${join(directory, "client")}`] });
    t.after(() => client.close());
    await prepare(client);
    const files = await filesCrossed(points, () => request(client));
    assertNamed(files, section);
    assert.ok(files.size <= maxFiles, `${files.size} files`);
  });

/** Starts three members. @returns an endpoint of a follower */
const startCluster = async (t: TestContext): Promise<string> => {
  const directory = await temporaryDirectory(t);
  const peer = (name: string): string => `unix://${join(directory, `${name}p`)}`;
  const names = ["a", "b", "c"];
  const initialCluster = names.map((name) => `${name}=${peer(name)}`).join();
  const members = await Promise.all(
    names.map((name, at) => {
      const client = `unix://${join(directory, name)}`;
      const flags = {
        ...{ name, initialCluster, rpcEngine: "native", dataDir: join(directory, `${name}d`) },
        ...{ listenClientUrls: client, advertiseClientUrls: client },
        ...{ listenPeerUrls: peer(name), initialAdvertisePeerUrls: peer(name) },
      };
      return Member.start(singleMember(directory, flags), { ...quietEnvironment(), random: () => at / names.length });
    }),
  );
  t.after(() => Promise.all(members.map((member) => member.stop())));
  await Promise.all(members.map(({ whenReady }) => whenReady));
  const follower = members.find((member) => member.status().role === "follower");
  return follower?.endpoints[0] ?? assert.fail("no follower");
};

test("the path of a keep-alive at a follower crosses 7 files of the follower and 8 of the leader at most, which the tables name", async (t) => {
  const endpoints = [await startCluster(t)];
  const calls = "server/lease/calls.ts";
  const sides = {
    follower: [
      pointAt(calls, PeerCalls, "sendRequest"),
      pointAt("server/peers/outgoing-link.ts", OutgoingLink, "send", calls),
    ],
    leader: [
      pointAt("server/lease/lease-calls.ts", LeaseCalls, "serve"),
      pointAt(reads, Reads, "startRead"),
      pointAt("server/lease/lease-term.ts", LeaseTerm, "renewLease", reads),
    ],
  };
  const files = { follower: new Set<string>(), leader: new Set<string>() };
  // Both sides are in this process, so each is observed with a renewal of its own: the first one of a client.
  for (const side of ["follower", "leader"] as const) {
    const client = new Client({ endpoints });
    t.after(() => client.close());
    files[side] = await filesCrossed(sides[side], () => client.lease.hold({ ttlSeconds: 60 }));
  }
  assertNamed(
    new Set([...files.follower, ...files.leader]),
    "The path of a keep-alive at a follower",
    "The path of a keep-alive",
  );
  assert.ok(files.follower.size <= 7, `${files.follower.size} files of the follower`);
  assert.ok(files.leader.size <= 8, `${files.leader.size} files of the leader`);
});
