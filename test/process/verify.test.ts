// `minietcd verify` on a stopped member's real files: it finds and names each kind of damage and changes nothing, and its advice helps.

import { commandEntry } from "../../testing/entries.js";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cp, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { after } from "node:test";
import { nodeDisk } from "../../platform/index.js";
import { openWal, type LogIndex, type RecoveredLog, type Wal } from "../../raft/index.js";
import { eventually } from "../support/deadline.js";
import { startCluster, type ClusterMember, type TestCluster } from "../support/minietcd-cluster.js";
import { runMinietcd } from "../support/minietcd-process.js";
import { tempFolder } from "../support/temp-folder.js";

/** The output of `minietcd verify`. */
interface Verdict {
  readonly code: number | null;
  readonly lines: readonly string[];
  readonly wrong: readonly string[];
  readonly stderr: string;
}

const verify = async (dataDir: string): Promise<Verdict> => {
  const { code, stdout, stderr } = await runMinietcd(["verify", "--data-dir", dataDir]);
  const lines = stdout.trimEnd().split("\n");
  return { code, lines, wrong: lines.filter((line) => line.startsWith("WRONG")), stderr };
};

/** A member that was used, restarted and stopped in order, with a copy of its files for each test. */
class StoppedMember {
  private constructor(
    private readonly cluster: TestCluster,
    private readonly copy: string,
  ) {}

  static async make(): Promise<StoppedMember> {
    const cluster = await startCluster({ members: 1 });
    const member = cluster.member(0);
    for (let n = 0; n < 40; n++) await cluster.client.kv.put(`k/${n}`, "some value that takes a few bytes".repeat(20));
    await member.restart(); // moves the contents of LevelDB's log into a table
    await cluster.client.kv.put("last", "one");
    await member.kill("SIGTERM");
    const copy = join(cluster.folder, "copy");
    await cp(member.dataDir, copy, { recursive: true });
    return new StoppedMember(cluster, copy);
  }

  get member(): ClusterMember {
    return this.cluster.member(0);
  }

  get dataDir(): string {
    return this.member.dataDir;
  }

  path(...names: string[]): string {
    return join(this.dataDir, "member", ...names);
  }

  /** Restores the directory as it was after the stop. */
  async restore(): Promise<void> {
    await rm(this.dataDir, { recursive: true });
    await cp(this.copy, this.dataDir, { recursive: true });
  }

  /** Checks that the member starts, has all its data, and accepts a write. */
  async assertStarts(): Promise<void> {
    await this.member.restart();
    await using client = this.member.client();
    assert.equal(await client.kv.getText("last"), "one");
    assert.equal(await client.kv.getText("k/7"), "some value that takes a few bytes".repeat(20));
    await client.kv.put("taken", "again");
    await this.member.kill("SIGTERM");
  }

  async names(directory: string, pattern: RegExp): Promise<string[]> {
    return (await readdir(this.path(directory))).filter((name) => pattern.test(name)).sort();
  }

  close(): Promise<void> {
    return this.cluster[Symbol.asyncDispose]();
  }
}

const stopped = await StoppedMember.make();
after(() => stopped.close());

/** Returns every file except the lock, with its content and its modification time. */
const contents = async (folder: string): Promise<Record<string, string>> => {
  const files: Record<string, string> = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile() || path.includes("/lock/")) continue;
    const digest = createHash("sha256")
      .update(await readFile(path))
      .digest("hex");
    files[path] = `${digest} ${(await stat(path)).mtimeMs}`;
  }
  return files;
};

/** Runs `minietcd verify`, and checks that it changes nothing. */
const verifyUntouched = async (): Promise<Verdict> => {
  const before = await contents(stopped.dataDir);
  const verdict = await verify(stopped.dataDir);
  assert.deepEqual(await contents(stopped.dataDir), before);
  return verdict;
};

/** Checks that one problem is reported, with all of `expected` in its line. */
const assertWrong = ({ code, wrong, lines }: Verdict, ...expected: (string | RegExp)[]): void => {
  assert.equal(code, 1, lines.join("\n"));
  assert.equal(wrong.length, 1, lines.join("\n"));
  const [line = ""] = wrong;
  for (const each of expected)
    if (typeof each === "string") assert.ok(line.includes(each), `${line}\ndoes not say: ${each}`);
    else assert.match(line, each);
};

const leaveItStopped = "leave this member stopped (the others go on without it), or put back the whole directory";

const flip = async (path: string, at: number): Promise<void> => {
  const bytes = await readFile(path);
  bytes[at]! ^= 0x10;
  await writeFile(path, bytes);
};

/** Changes the stopped member's log with the code that a member uses. */
const withLog = async (change: (wal: Wal, log: RecoveredLog) => Promise<void>): Promise<void> => {
  const fail = (problem: unknown): never => assert.fail(String(problem));
  const listener = { onFailure: fail, onFull: fail, onRemovalFailure: fail };
  const { wal, recovered } = await openWal({
    disk: nodeDisk,
    directory: stopped.path("wal"),
    loadInitialConfiguration: () => assert.fail("a log that has not begun"),
    listener,
  });
  await change(wal, recovered);
  await wal.close();
};

test("the files of a healthy member: a line for each part, exit code 0, nothing changed, and it starts again", async () => {
  await stopped.restore();
  const { code, lines, stderr } = await verifyUntouched();
  assert.equal(stderr, "");
  assert.equal(code, 0);
  const expected = [
    /^ok {5}format\.json: format 1, cluster [0-9a-f]+, member [0-9a-f]+$/,
    /^ok {5}incarnation: start 2$/,
    /^ok {5}peers: directory [0-9a-f]+, 0 peers known$/,
    /^ok {5}store-current: store-1 is in use$/,
    /^ok {5}wal: 1 segments, entries 1 to \d+, term \d+, vote for [0-9a-f]+, commit at least \d+$/,
    /^ok {5}store-1: revision 42, 0 leases; contains the log up to entry \d+ of term \d+$/,
    /^ok {5}wal and store: the log has 0 entries after the store's last one$/,
  ];
  assert.equal(lines.length, expected.length, lines.join("\n"));
  for (const [at, pattern] of expected.entries()) assert.match(lines[at]!, pattern);
  await stopped.assertStarts();
});

test("verify refuses the directory of a running member, which keeps running", async () => {
  await stopped.restore();
  await stopped.member.restart();
  const { code, lines, stderr } = await verify(stopped.dataDir);
  assert.equal(code, 2);
  assert.deepEqual(lines, [""]);
  assert.match(stderr, /^cannot check .*: data directory .* is in use by another process: stop it/);
  await using client = stopped.member.client();
  await client.kv.put("still", "here");
  await stopped.member.kill("SIGTERM");
});

test("verify of a directory without a member reports that there is nothing to check", async () => {
  await using folder = await tempFolder();
  const nothing = await verify(join(folder.path, "none"));
  assert.equal(nothing.code, 2);
  assert.match(nothing.stderr, /none\/member does not exist: no member has been started here\n$/);
  await mkdir(join(folder.path, "etcd", "member", "snap"), { recursive: true });
  const etcd = await verify(join(folder.path, "etcd"));
  assert.equal(etcd.code, 2);
  assert.match(etcd.stderr, /holds the data of a real etcd/);
  const usage = await runMinietcd(["verify"]);
  assert.equal(usage.code, 2);
  assert.match(usage.stderr, /--data-dir/);
  // An interrupted first start: the next start begins from scratch.
  await mkdir(join(folder.path, "new", "member", "store-1"), { recursive: true });
  const unfinished = await verify(join(folder.path, "new"));
  assert.equal(unfinished.code, 0);
  assert.match(unfinished.lines.join("\n"), /^ok {5}format\.json: missing: no start of this member was completed/);
});

test("a damaged log is reported with file and byte; restoring the directory repairs it", async () => {
  await stopped.restore();
  const [segment = ""] = await stopped.names("wal", /\.wal$/);
  await flip(stopped.path("wal", segment), 5_000);
  assertWrong(await verifyUntouched(), "wal: ", stopped.path("wal", segment), /damaged at byte \d+/, leaveItStopped);
  await stopped.restore();
  await stopped.assertStarts();
});

test("a write that a power cut interrupted is not damage: the next start removes it", async () => {
  await stopped.restore();
  await withLog(async (wal, { entries, hardState }) => {
    const { index } = entries.at(-1)!;
    const entry = commandEntry(index + 1, hardState.term, new Uint8Array(3_000).fill(7));
    await new Promise<void>((done) => wal.append(undefined, [entry], done));
  });
  const [segment = ""] = await stopped.names("wal", /\.wal$/);
  const path = stopped.path("wal", segment);
  const bytes = await readFile(path);
  const end = bytes.findLastIndex((byte) => byte !== 0) + 1;
  await writeFile(path, bytes.fill(0, end - 512, end));
  const { code, lines } = await verifyUntouched();
  assert.equal(code, 0, lines.join("\n"));
  const cut =
    /a write that a power cut interrupted, never acknowledged, of \d+ bytes at byte \d+ of .*\.wal: the next start cuts it off/;
  assert.match(lines.join("\n"), cut);
  await stopped.assertStarts();
  assert.doesNotMatch((await verify(stopped.dataDir)).lines.join("\n"), /power cut/);
});

test("verify reports a log that is missing, or older than the store", async () => {
  await stopped.restore();
  await rename(stopped.path("wal"), join(stopped.dataDir, "..", "wal-aside"));
  assertWrong(await verifyUntouched(), `wal: ${stopped.path("wal")} is missing`, leaveItStopped);
  await rm(join(stopped.dataDir, "..", "wal-aside"), { recursive: true });
  await mkdir(stopped.path("wal"));
  assertWrong(
    await verifyUntouched(),
    "wal and store: the store contains the log up to entry",
    "ends at 0",
    leaveItStopped,
  );
});

test("verify reports a log that begins after the store's last entry", async () => {
  await stopped.restore();
  await withLog(async (wal, { base: { configuration }, entries, hardState }) => {
    const { index, term } = entries.at(-1)!;
    const base = { index: (index + 5) as LogIndex, term, configuration };
    await new Promise<void>((done) => wal.restart(base, { ...hardState, commit: base.index }, done));
  });
  assertWrong(await verifyUntouched(), "wal and store: ", "the store ends before the log begins", leaveItStopped);
});

test("verify reports a flipped bit in the store with file and byte, and a lost table by its name", async () => {
  await stopped.restore();
  const [table = ""] = await stopped.names("store-1", /\.ldb$/);
  const size = (await stat(stopped.path("store-1", table))).size;
  await flip(stopped.path("store-1", table), Math.floor(size / 3));
  assertWrong(await verifyUntouched(), "store-1: ", stopped.path("store-1", table), /at byte \d+/, leaveItStopped);

  await stopped.restore();
  await rm(stopped.path("store-1", table));
  assertWrong(await verifyUntouched(), "store-1: ", stopped.path("store-1", table));
});

test("verify reports a loss from the middle of LevelDB's log; a loss from its end is replayed from the write-ahead log", async () => {
  await stopped.restore();
  await stopped.member.restart();
  await using client = stopped.member.client();
  await client.kv.put("large", "x".repeat(80_000)); // three of LevelDB's blocks
  const newestLog = async (): Promise<string> =>
    stopped.path("store-1", (await stopped.names("store-1", /\.log$/)).at(-1)!);
  const log = await newestLog();
  await eventually(
    20_000,
    "the first write to be in the store's files",
    async () => (await stat(log)).size > 80_000 || undefined,
  );
  await client.kv.put("last", "one");
  await stopped.member.kill("SIGTERM");
  const bytes = await readFile(log);

  // LevelDB drops unreadable records, and opens without them.
  await flip(log, 40_000);
  assertWrong(
    await verifyUntouched(),
    "store-1: ",
    stopped.path("store-1"),
    /its rows|changes, should|is missing/,
    leaveItStopped,
  );

  await writeFile(log, bytes);
  await flip(log, bytes.length - 5);
  const { code, lines } = await verifyUntouched();
  assert.equal(code, 0, lines.join("\n"));
  assert.match(lines.join("\n"), /the log has [1-9]\d* entries after the store's last one/);
  await stopped.assertStarts();
});

test("verify reports a store that is missing, or has lost its first files", async () => {
  await stopped.restore();
  await rm(stopped.path("store-1"), { recursive: true });
  assertWrong(await verifyUntouched(), "store-1: ", stopped.path("store-1"));
  await stopped.restore();
  await rm(stopped.path("store-1", "CURRENT"));
  assertWrong(await verifyUntouched(), "store-1: ", stopped.path("store-1"), leaveItStopped);
  await stopped.restore();
  await writeFile(stopped.path("store-1", "CURRENT"), "MANIFEST-999999\n");
  assertWrong(await verifyUntouched(), "store-1: ", stopped.path("store-1"));
});

test("verify names a leftover store, and the next start removes it", async () => {
  await stopped.restore();
  await mkdir(stopped.path("store-2"));
  const { code, lines } = await verifyUntouched();
  assert.equal(code, 0);
  assert.match(
    lines.join("\n"),
    /store-current: store-1 is in use; store-2: left of a snapshot, the next start removes it/,
  );
  await stopped.assertStarts();
  assert.deepEqual(await stopped.names("", /^store-\d/), ["store-1"]);
});

test("a damaged or lost format.json is repaired by its former text", async () => {
  await stopped.restore();
  const path = stopped.path("format.json");
  const text = await readFile(path, "utf8");
  await writeFile(path, text.slice(0, 20));
  assertWrong(await verifyUntouched(), `format.json: ${path} is damaged`, "put the file back as it was");
  await rm(path);
  assertWrong(await verifyUntouched(), `format.json: ${path} is missing`, "put the file back as it was");
  const format = JSON.parse(text) as Record<string, unknown>;
  await writeFile(path, JSON.stringify({ ...format, memberId: "1" }));
  assertWrong(
    await verifyUntouched(),
    "format.json and store: the store knows no member 1",
    "put the file back as it was",
  );
  await writeFile(path, JSON.stringify({ ...format, formatVersion: 9 }));
  assertWrong(await verifyUntouched(), "format version 9", "use the version of minietcd that wrote it");
  const { clusterId, memberId } = format;
  await writeFile(path, JSON.stringify({ formatVersion: 1, clusterId, memberId }));
  assert.equal((await verifyUntouched()).code, 0);
  await stopped.assertStarts();
});

test("a damaged, lost or too low incarnation is repaired by a higher one", async () => {
  await stopped.restore();
  const path = stopped.path("incarnation");
  const advice = `write a number that is higher than the count of its starts, as 1000000, and a newline into ${path}`;
  await writeFile(path, "x");
  assertWrong(await verifyUntouched(), `incarnation: ${path} is damaged`, advice);
  await rm(path);
  assertWrong(await verifyUntouched(), `incarnation: ${path} is missing`, advice);
  await writeFile(path, "1\n");
  assertWrong(await verifyUntouched(), `${path} says start 1, but the store has writes of start 2`, advice);
  stopped.member.launch();
  await stopped.member.running.waitForExit();
  assert.match(stopped.member.running.stderr, /started 2 times, the cluster has seen 2 starts: put back the directory/);
  await writeFile(path, "1000000\n");
  assert.equal((await verifyUntouched()).code, 0);
  await stopped.assertStarts();
});

test("a damaged, lost or fenced peers file is reported, with the remedy", async () => {
  await stopped.restore();
  const path = stopped.path("peers");
  const good = await readFile(path, "utf8");
  const advice = 'put the file back, {"directory":"…","members":{}} and a newline';
  await writeFile(path, good.slice(0, -4));
  assertWrong(await verifyUntouched(), `peers: ${path}`, "is damaged", advice);
  await rm(path);
  assertWrong(await verifyUntouched(), `${path} is missing: peers will refuse this member as stale`, advice);
  const { directory } = JSON.parse(good) as { readonly directory: string };
  await writeFile(
    path,
    JSON.stringify({ directory, members: {}, fencedBecause: "started 8 times, member b has seen 9 starts" }) + "\n",
  );
  assertWrong(
    await verifyUntouched(),
    "peers: fenced by a peer: started 8 times, member b has seen 9 starts",
    leaveItStopped,
  );
  stopped.member.launch();
  await stopped.member.running.waitForExit();
  assert.match(stopped.member.running.stderr, /stale data directory: started 8 times, member b has seen 9 starts/);
  await stopped.restore();
  await writeFile(path, JSON.stringify({ directory, members: {} }) + "\n");
  assert.equal((await verifyUntouched()).code, 0);
  await stopped.assertStarts();
});

test("a damaged or lost store-current is repaired by naming the only store; with several stores there is no remedy", async () => {
  await stopped.restore();
  const path = stopped.path("store-current");
  const advice = `write "store-1" and a newline into ${path}`;
  await writeFile(path, "stor");
  assertWrong(await verifyUntouched(), `store-current: ${path} is damaged`, advice);
  await rm(path);
  assertWrong(await verifyUntouched(), "store-current: ", advice);
  await mkdir(stopped.path("store-2"));
  assertWrong(await verifyUntouched(), "store-current: ", leaveItStopped);
  await rm(stopped.path("store-2"), { recursive: true });
  await writeFile(path, "store-1\n");
  assert.equal((await verifyUntouched()).code, 0);
  await stopped.assertStarts();
});
