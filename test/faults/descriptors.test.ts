// A process without free file descriptors: it waits as on a full disk, and continues by itself.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import test from "node:test";
import { promisify } from "node:util";
import { EtcdError, type Client } from "../../client/index.js";
import { startCluster, type ClusterMember } from "../support/minietcd-cluster.js";
import { assertSameHash } from "./checks.js";

const run = promisify(execFile);

/** Long enough for a busy machine. */
const deadlineMs = 30_000;
const value = "x".repeat(100 * 1024);

/** Lowers the limit of a process so that it can open no further file; open files stay open. */
const takeDescriptors = ({ running }: ClusterMember): Promise<unknown> =>
  run("prlimit", ["--pid", String(running.pid), "--nofile=8:"]);

const giveDescriptors = ({ running }: ClusterMember): Promise<unknown> =>
  run("prlimit", ["--pid", String(running.pid), "--nofile=1024:"]);

const waitForLog = (member: ClusterMember, message: string): Promise<unknown> =>
  member.running.waitFor(`it says "${message}"`, ({ log }) => log.find(({ msg }) => msg === message), deadlineMs);

const noLogDescriptors = "no file descriptors for the write-ahead log: writes are refused until there are some";
const logAgain = "there are file descriptors for the write-ahead log again: writes continue";
const noStoreDescriptors = "out of file descriptors for the store: applying entries waits";
const storeAgain = "file descriptors for the store are available again";

/** Writes until the log of a member is in its second segment: the first is small, and the second exists from the start. */
const leaveFirstSegment = (client: Client): Promise<void> => writeLarge(client, 45);

/** Writes until the log of a member is in the middle of that segment, where it creates the next one. */
const writeHalfSegment = (client: Client): Promise<void> => writeLarge(client, 100);

const writeLarge = async (client: Client, times: number): Promise<void> => {
  for (let n = 0; n < times; n++) await client.kv.put(`large/${n % 10}`, value);
};

const assertWhole = (member: ClusterMember): void =>
  assert.deepEqual(
    member.running.log.filter(({ level, msg }) => level === "fatal" || /stops|cannot be written/.test(String(msg))),
    [],
  );

test("a leader without file descriptors transfers leadership, refuses writes and serves reads; it recovers by itself once some are free", async () => {
  await using cluster = await startCluster();
  const leader = await cluster.leader();
  const others = cluster.members.filter((member) => member !== leader);
  await using here = leader.client();
  await using elsewhere = others[0]!.client();
  await here.kv.put("before", "v");
  await elsewhere.kv.put("before", "v");
  await leaveFirstSegment(elsewhere);

  await takeDescriptors(leader);
  await writeHalfSegment(elsewhere);
  await waitForLog(leader, noLogDescriptors);
  await waitForLog(leader, "leadership transfer finished");
  await waitForLog(leader, noStoreDescriptors);
  await elsewhere.kv.put("during", "v");
  assert.equal(await here.kv.getText("during"), "v", "a linearizable read");
  await assert.rejects(
    here.kv.put("refused", "v"),
    (error) => error instanceof EtcdError && error.message.includes("etcdserver: too many requests"),
  );

  await giveDescriptors(leader);
  await waitForLog(leader, logAgain);
  await waitForLog(leader, storeAgain);
  await here.kv.put("taken", "again");
  assert.equal(await here.kv.getText("refused"), undefined);
  await assertSameHash(cluster);
  assertWhole(leader);
});

test("a single member without file descriptors refuses writes, and accepts them once some are free", async () => {
  await using cluster = await startCluster({ members: 1 });
  const member = cluster.member(0);
  await using client = member.client();
  await client.kv.put("before", "v");
  await leaveFirstSegment(client);
  await takeDescriptors(member);
  const refusal: unknown = await writeHalfSegment(client).catch((error: unknown) => error);
  assert.match(String(refusal), /etcdserver: too many requests/);
  assert.equal(await client.kv.getText("before"), "v");
  await giveDescriptors(member);
  await waitForLog(member, logAgain);
  await writeHalfSegment(client);
  assertWhole(member);
  await member.restart();
  assert.equal(await client.kv.getText("before"), "v");
});
