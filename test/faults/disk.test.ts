// Full, read-only and damaged disks, with real files: the member names the problem and never returns damaged data, and the other members
// continue.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { cp, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { promisify } from "node:util";
import { EtcdError, type Client } from "../../client/index.js";
import { nodeDisk } from "../../platform/index.js";
import { checkWal } from "../../raft/index.js";
import { createCluster, startCluster, type ClusterMember, type TestCluster } from "../support/minietcd-cluster.js";
import { scaleMs } from "../support/machine-speed.js";
import { runMinietcd } from "../support/minietcd-process.js";
import { tempFolder } from "../support/temp-folder.js";
import { assertSameHash } from "./checks.js";
import { SmallDisk } from "./small-disk.js";

const run = promisify(execFile);

const deadlineMs = 30_000;
/** Free space in MiB below the log's reserve and above the store's: the log keeps 48 MiB beyond a segment of 16, the store 32. */
const belowLogReserve = 45;

const waitForLog =
  (message: string | RegExp) =>
  ({ log }: { readonly log: readonly Record<string, unknown>[] }): true | undefined =>
    log.some(({ msg }) => (typeof message === "string" ? msg === message : message.test(String(msg))))
      ? true
      : undefined;

const noLogSpace = "no space for the write-ahead log: writes are refused until there is some";
const noStoreSpace = "out of disk space for the store: applying entries waits";

const value = "x".repeat(100 * 1024);

/** Writes until the log of a member is in its second segment: the first is small, and the second exists from the start. */
const leaveFirstSegment = (client: Client): Promise<void> => writeLarge(client, 45);

/** Writes until the log of a member is in the middle of that segment, where it creates the next one. */
const writeHalfSegment = (client: Client): Promise<void> => writeLarge(client, 100);

const writeLarge = async (client: Client, times: number): Promise<void> => {
  for (let n = 0; n < times; n++) await client.kv.put(`large/${n % 10}`, value);
};

const isNoSpace = (error: unknown): boolean =>
  error instanceof EtcdError && error.message.includes("etcdserver: mvcc: database space exceeded");

/** Starts three members, each on a disk of its own. */
const startOnDisks = async (disks: readonly SmallDisk[]): Promise<TestCluster> => {
  const cluster = await createCluster();
  for (const [position, { dataDir }] of cluster.members.entries()) await symlink(disks[position]!.path, dataDir);
  await cluster.start();
  return cluster;
};

/** Has the system refuse each write of a member beyond this size of a file, like a failing disk. */
const limitFileSize = async ({ running: { pid } }: ClusterMember, bytes: number): Promise<void> => {
  await run("prlimit", ["--pid", String(pid), `--fsize=${bytes}`]);
  const limits = await readFile(`/proc/${pid}/limits`, "utf8");
  assert.match(limits, new RegExp(`^Max file size +${bytes} `, "m"));
};

/**
 * Resolves once all that a member has applied is in its store: a physical compaction is answered when it is on disk, after everything
 * before it.
 * | @param revision a greater one than in the call before; small, so that hardly any history is removed
 */
const flushStore = async (member: ClusterMember, revision: number): Promise<void> => {
  await using client = member.client();
  await client.kv.compact(revision, { physical: true, timeoutMs: scaleMs(deadlineMs) });
};

/** Puts a key again and again until the promise settles: the members have something to write meanwhile. */
const putUntilSettled = async <T>(client: Client, key: string, promise: Promise<T>): Promise<T> => {
  let isSettled = false;
  const settled = promise.finally(() => (isSettled = true));
  settled.catch(() => undefined); // awaited below
  while (!isSettled) await client.kv.put(key, "v");
  return settled;
};

/** Checks that all members have the same history, once each has caught up. */
const assertSame = (cluster: TestCluster): Promise<void> => assertSameHash(cluster);

test("a leader whose disk is full transfers leadership, refuses writes and serves reads; it recovers by itself once there is space", async () => {
  await using first = await SmallDisk.mount(256);
  await using second = await SmallDisk.mount(256);
  await using third = await SmallDisk.mount(256);
  const disks = [first, second, third];
  await using cluster = await startOnDisks(disks);
  const leader = await cluster.leader();
  const disk = disks[cluster.members.indexOf(leader)]!;
  const others = cluster.members.filter((member) => member !== leader);
  await using here = leader.client();
  await using elsewhere = others[0]!.client();
  await here.kv.put("before", "full");
  await leaveFirstSegment(elsewhere);

  await disk.fillUpTo(belowLogReserve);
  await writeHalfSegment(elsewhere);
  await leader.running.waitFor("it says that there is no space", waitForLog(noLogSpace), deadlineMs);
  await leader.running.waitFor("it has handed over", waitForLog("leadership transfer finished"), deadlineMs);
  const successor = await cluster.leader();
  assert.notEqual(successor, leader);

  await elsewhere.kv.put("during", "full");
  assert.equal(await here.kv.getText("during"), "full", "a linearizable read");
  const { kvs } = await here.kv.get("before", { serializable: true });
  assert.equal(kvs.length, 1);
  await assert.rejects(here.kv.put("refused", "here"), isNoSpace);

  // No byte is free: the member waits with the writes of the others, and does not fail.
  await disk.fillUpTo(0);
  await elsewhere.kv.put("after", "all of it is full");
  await leader.running.waitFor("the store waits, too", waitForLog(noStoreSpace), deadlineMs);
  assert.ok(leader.isRunning);

  await disk.removeBallast();
  await leader.running.waitFor(
    "it finds space",
    waitForLog("there is space for the write-ahead log again: writes continue"),
    deadlineMs,
  );
  await here.kv.put("taken", "again");
  assert.equal(await here.kv.getText("after"), "all of it is full");
  assert.equal(await here.kv.getText("refused"), undefined);
  await assertSame(cluster);
  assert.deepEqual(
    leader.running.log.filter(({ level }) => level === "fatal"),
    [],
  );
});

test("a leader that cannot write its log stops and names the file; requests at other members succeed", async () => {
  await using cluster = await startCluster();
  const leader = await cluster.leader();
  const [other] = cluster.members.filter((member) => member !== leader) as [ClusterMember];
  await using elsewhere = other.client();
  await elsewhere.kv.put("before", "v");
  await flushStore(leader, 2); // else the store may be the first that cannot be written: the next test's case
  await limitFileSize(leader, 0);
  const { code } = await putUntilSettled(elsewhere, "during", leader.running.waitForExit());
  assert.equal(code, 1);
  const fatal = leader.running.log.filter(({ level }) => level === "fatal");
  assert.equal(fatal.length, 1);
  assert.match(String(fatal[0]!["error"]), /^Cannot write .*\/wal\/[^/]+: EFBIG/);
  await leader.restart();
  for (const key of ["before", "during"]) assert.equal(await elsewhere.kv.getText(key), "v");
  await assertSame(cluster);
});

/** Returns the size of LevelDB's own log, to which the store appends its batches. */
const sizeOfStoreLog = async ({ dataDir }: ClusterMember): Promise<number> => {
  const store = join(dataDir, "member", "store-1");
  const logs = (await readdir(store)).filter((name) => name.endsWith(".log")).sort();
  return (await stat(join(store, logs.at(-1)!))).size;
};

const segmentsOf = async ({ dataDir }: ClusterMember): Promise<number> =>
  (await readdir(join(dataDir, "member", "wal"))).filter((name) => name.endsWith(".wal")).length;

test("a leader that cannot write its store serves only serializable reads; a restart repairs it", async () => {
  await using cluster = await startCluster();
  const leader = await cluster.leader();
  const [other] = cluster.members.filter((member) => member !== leader) as [ClusterMember];
  await using here = leader.client();
  await using elsewhere = other.client();
  // Writes until the log has just begun a segment, and LevelDB's log is longer than that but not near its own end: then a limit on file
  // sizes affects only the store. What is not flushed yet could make LevelDB begin another log.
  for (let size = 0, revision = 2; size < 512 * 1024 || size > 3 * 1024 * 1024; revision++) {
    const segments = await segmentsOf(leader);
    while ((await segmentsOf(leader)) === segments) await elsewhere.kv.put("large", value);
    await flushStore(leader, revision);
    size = await sizeOfStoreLog(leader);
  }
  await limitFileSize(leader, await sizeOfStoreLog(leader));
  const isReported = waitForLog(/^the store cannot be written: this member only serves/);
  await putUntilSettled(elsewhere, "during", leader.running.waitFor("it says so", isReported, deadlineMs));
  await elsewhere.kv.put("after", "v");
  const { kvs } = await here.kv.get("large", { serializable: true });
  assert.equal(kvs.length, 1);
  const stopped = { code: "unavailable", message: /etcdserver: server stopped/ };
  await assert.rejects(here.kv.get("large"), stopped);
  await assert.rejects(here.kv.put("refused", "here"), stopped);
  await leader.restart();
  assert.equal(await here.kv.getText("after"), "v");
  await assertSame(cluster);
});

test("a member that is killed on a full disk reports the full disk when it starts, and starts once there is space", async () => {
  await using disk = await SmallDisk.mount(256);
  await using cluster = await createCluster();
  const member = cluster.member(0);
  await symlink(disk.path, member.dataDir);
  await cluster.start();
  await cluster.client.kv.put("k", "v");
  await member.kill("SIGKILL");
  await disk.fillUpTo(0);
  await assertDoesNotStart(member, /cannot write to data directory .*: free some space/);
  await cluster.client.kv.put("without", "it");
  await disk.removeBallast();
  await member.restart();
  await using client = member.client();
  assert.equal(await client.kv.getText("without"), "it");
  await assertSame(cluster);
});

/** Checks that a member does not start, and that its only fatal line matches. */
const assertDoesNotStart = async (member: ClusterMember, reason: RegExp): Promise<void> => {
  member.launch();
  const { code } = await member.running.waitForExit();
  assert.equal(code, 1, member.running.stderr);
  const fatal = member.running.log.filter(({ level }) => level === "fatal");
  assert.deepEqual(
    fatal.map(({ msg }) => msg),
    ["cannot start"],
  );
  assert.match(String(fatal[0]!["error"]), reason);
};

test("a member whose directory cannot be written does not start; the directory can be checked, and the others continue", async () => {
  await using disk = await SmallDisk.mount(256);
  await using cluster = await createCluster();
  const member = cluster.member(0);
  await symlink(disk.path, member.dataDir);
  await cluster.start();
  await cluster.client.kv.put("k", "v");
  await member.kill("SIGTERM");
  await disk.makeReadOnly();
  await assertDoesNotStart(member, /cannot write to data directory .*: its file system is mounted read-only/);
  const { code, stdout } = await runMinietcd(["verify", "--data-dir", member.dataDir]);
  assert.equal(code, 0, stdout);
  await cluster.client.kv.put("without", "it");
  await disk.makeWritable();
  await member.restart();
  await assertSame(cluster);
});

/** Returns the file of a stopped member, below `member/`, in which the pattern occurs most often. */
const fileOf = async (member: ClusterMember, folder: string, pattern: RegExp): Promise<string> => {
  const directory = join(member.dataDir, "member", folder);
  const [name = ""] = (await readdir(directory)).filter((each) => pattern.test(each)).sort();
  return join(directory, name);
};

const digest = async (path: string): Promise<string> =>
  createHash("sha256")
    .update(await readFile(path))
    .digest("hex");

const damaged: [what: string, folder: string, pattern: RegExp, at: (size: number) => number][] = [
  ["log", "wal", /\.wal$/, () => 3_000],
  ["table of the store", "store-1", /\.ldb$/, (size) => Math.floor(size / 2)],
];
for (const [what, folder, pattern, at] of damaged)
  test(`a member whose ${what} is damaged does not start, names file and byte, and changes nothing; the others continue`, async () => {
    await using cluster = await startCluster();
    for (let n = 0; n < 50; n++) await cluster.client.kv.put(`k/${n}`, "v".repeat(500));
    const [member] = (await cluster.followers()) as [ClusterMember];
    await member.restart(); // moves the contents of LevelDB's log into a table
    await member.kill("SIGTERM");
    const file = await fileOf(member, folder, pattern);
    const good = await readFile(file);
    const bytes = Buffer.from(good);
    bytes[at(bytes.length)]! ^= 0x08;
    await writeFile(file, bytes);
    const before = await digest(file);
    const place = file.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
    await assertDoesNotStart(member, new RegExp(`is damaged: leave this member stopped .*${place}.*at byte \\d+`));
    assert.equal(await digest(file), before);
    await cluster.client.kv.put("without", "it");
    assert.equal(await cluster.client.kv.getText("k/7"), "v".repeat(500));

    await writeFile(file, good);
    await member.restart();
    await assertSame(cluster);
  });

/** Reads the persisted vote and term of a stopped member from its log; "nothing" if the log has not begun. */
const promisedText = async (member: ClusterMember): Promise<string> => {
  const { log, problem } = await checkWal(nodeDisk, join(member.dataDir, "member", "wal"));
  assert.equal(problem, undefined);
  if (log === undefined) return "nothing";
  const { term, vote } = log.hardState;
  return `term ${term}, vote for ${vote}`;
};

for (const starts of [1, 2])
  test(`a member whose directory was emptied stops as stale after ${starts} starts, and gives no vote`, async () => {
    await using cluster = await startCluster();
    const [member, other] = (await cluster.followers()) as [ClusterMember, ClusterMember];
    for (let start = 1; start < starts; start++) await member.restart();
    await cluster.client.kv.put("k", "v");
    await member.kill("SIGTERM");
    await rm(member.dataDir, { recursive: true });
    // Only `other` runs again, and campaigns: it knows the member's first starts only from its disk, and a vote of the member would make
    // it leader.
    const leader = await cluster.leader([cluster.members.find((each) => each !== member && each !== other)!, other]);
    await leader.kill("SIGKILL");
    await other.kill("SIGKILL");
    other.launch();
    await other.running.waitFor("it asks for votes", waitForLog("starting local member"), deadlineMs);
    for (const attempt of ["reported by the other", "not forgotten"]) {
      member.launch();
      const { code } = await member.running.waitForExit();
      assert.equal(code, 1);
      const fatal = member.running.log.find(({ level }) => level === "fatal");
      const error = String(fatal?.["error"]);
      assert.match(error, /^stale data directory: member [0-9a-f]+ has seen/, attempt);
      assert.match(error, /has seen start \d of another data directory: put back/, attempt);
      assert.equal(await promisedText(member), "nothing");
    }
    const refused = other.running.log.find(({ msg }) => msg === "refused a peer connection");
    assert.match(String(refused?.["reason"]), /^member [0-9a-f]+ is stale: /);

    leader.launch();
    await Promise.all([leader, other].map((each) => each.whenReady()));
    await cluster.client.kv.put("without", "it");
  });

test("an older copy of a member's directory is refused, too", async () => {
  await using cluster = await startCluster();
  const [member] = (await cluster.followers()) as [ClusterMember];
  await member.kill("SIGTERM");
  const copy = join(cluster.folder, "copy");
  await cp(member.dataDir, copy, { recursive: true });
  await member.restart();
  await member.kill("SIGTERM");
  await rm(member.dataDir, { recursive: true });
  await cp(copy, member.dataDir, { recursive: true });
  await assertDoesNotStart(member, /has seen another start 2: put back the directory as it was at its last stop/);
  await assertDoesNotStart(member, /has seen another start 2/);
  await cluster.client.kv.put("without", "it");
});

test("verify reports a store as unchecked if there is no space for its copy", async () => {
  await using small = await SmallDisk.mount(1);
  await using folder = await tempFolder();
  await using cluster = await startCluster({ members: 1 });
  for (let n = 0; n < 20; n++) await cluster.client.kv.put(`k/${n}`, value);
  const member = cluster.member(0);
  await member.kill("SIGTERM");
  const { code, stdout, stderr } = await runMinietcd(["verify", "--data-dir", member.dataDir], {
    env: { TMPDIR: small.path },
  });
  assert.equal(code, 2, stdout);
  assert.match(stderr, /no space in .* for the copy of .*store-1 to check: set TMPDIR to another folder/);
  assert.deepEqual(await readdir(small.path), [], "the copy is gone");
  await mkdir(join(folder.path, "tmp"));
  const elsewhere = await runMinietcd(["verify", "--data-dir", member.dataDir], {
    env: { TMPDIR: join(folder.path, "tmp") },
  });
  assert.equal(elsewhere.code, 0, elsewhere.stdout);
});
