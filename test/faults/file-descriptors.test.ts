// A flood of connections, when the limit of open files is low: a member keeps descriptors for its files and peers.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import test from "node:test";
import { within } from "../support/deadline.js";
import { startCluster, type ClusterMember } from "../support/minietcd-cluster.js";
import { runMinietcd } from "../support/minietcd-process.js";
import { tempFolder } from "../support/temp-folder.js";

/** Limit of open files for each member. */
const maxFiles = 160;
/** Connections to each port of a member, more than the limit. */
const flood = 200;
const value = "x".repeat(100 * 1024);
/** Puts of 100 KB each, so that the log needs a second segment of 16 MiB, and LevelDB several files. */
const puts = 200;

/** Preface and SETTINGS: the bytes that an HTTP/2 client sends before its first request. */
const greeting = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
]);

/** Opens connections that send only the greeting, and leaves those closed that the other side closes. */
const occupy = async (paths: readonly string[]): Promise<Socket[]> =>
  Promise.all(
    paths
      .flatMap((path) => Array.from({ length: flood }, () => path))
      .map(async (path) => {
        const socket = connect({ path });
        socket.on("error", () => undefined); // the member closes most of them
        await within(20_000, "a connection", Promise.race([once(socket, "connect"), once(socket, "close")]));
        socket.write(greeting);
        return socket;
      }),
  );

const limits = ({ running }: ClusterMember) => running.log.find(({ msg }) => msg === "file descriptor limits");

const isClosed = (socket: Socket): boolean => socket.destroyed || socket.readableEnded;

test("idle connections do not use up the file descriptors of the log, the store and the other members", async () => {
  await using cluster = await startCluster({ maxFiles });
  await cluster.client.kv.put("before", "v"); // connects before the others do
  const sockets = await occupy(
    cluster.members.flatMap(({ name, endpoint }) => [
      endpoint.slice("unix:".length),
      join(cluster.folder, `${name}.peer`),
    ]),
  );
  try {
    for (let n = 0; n < puts; n++) await cluster.client.kv.put(`large/${n % 10}`, value);
    assert.ok(
      sockets.some((socket) => !isClosed(socket)),
      "some of the connections are still there",
    );
  } finally {
    for (const socket of sockets) socket.destroy();
  }
  for (const member of cluster.members) {
    await using client = member.client();
    await client.kv.put(member.name, "v");
    assert.equal(await client.kv.getText(member.name), "v");
    assert.deepEqual(
      member.running.log.filter(({ level }) => level === "error" || level === "fatal"),
      [],
    );
  }
});

test("client connections beyond the limit are closed at once, and new ones are accepted when others end", async () => {
  await using cluster = await startCluster({ members: 1, maxFiles });
  const member = cluster.member(0);
  const { maxClientConnections: max } = limits(member) as { maxClientConnections: number };
  assert.ok(max > 20 && max < maxFiles - 64, `${max} connections`);
  const path = member.endpoint.slice("unix:".length);
  const first = await occupy([path]);
  await member.running.waitFor("the log line about refused connections", ({ log }) =>
    log.find(({ msg }) => msg === "refused client connections: limit reached"),
  );
  await within(20_000, "the end of those that are too many", waitUntilClosed(first, flood - max));
  for (const socket of first) socket.destroy();
  await using client = member.client();
  await client.kv.put("k", "v"); // retried until the member has noticed the end of the flood
  const received = member.running.log.filter(({ msg }) => String(msg).startsWith("refused client connections"));
  assert.ok(received.length <= 2, "the log is not filled");
});

/** Resolves once the other side has closed `count` of the sockets. */
const waitUntilClosed = async (sockets: readonly Socket[], count: number): Promise<void> => {
  let left = count - sockets.filter(isClosed).length;
  if (left <= 0) return;
  await new Promise<void>((resolve) => {
    for (const socket of sockets.filter((each) => !isClosed(each)))
      socket.resume().once("close", () => {
        if (--left === 0) resolve();
      });
  });
};

for (const [files, where] of [
  [24, "in the middle of its own files"],
  [64, "in those of a package"],
  [100, "in none of them, but there is no room for connections"],
] as const)
  test(`a program that may open only ${files} files, and would end ${where}, reports that in one line`, async () => {
    await using folder = await tempFolder();
    const dataDir = join(folder.path, "m1");
    const { code, stdout, stderr } = await runMinietcd([`--data-dir=${dataDir}`], { maxFiles: files });
    assert.equal(code, 1);
    assert.equal(stdout, "");
    assert.match(stderr, /^[^\n]*file descriptor limit of the process is too low[^\n]*\(ulimit -n\)[^\n]*\n$/);
  });
