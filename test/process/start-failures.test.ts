// Failures to start: one line that names the remedy, an exit code, and no changed file.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import test from "node:test";
import { startCluster } from "../support/minietcd-cluster.js";
import { MinietcdProcess, runMinietcd } from "../support/minietcd-process.js";
import { tempFolder } from "../support/temp-folder.js";

/** Returns the flags of a single member on unix sockets in `folder`. */
const memberFlags = (folder: string, dataDir = join(folder, "data")): string[] => [
  `--data-dir=${dataDir}`,
  `--listen-client-urls=unix://${join(folder, "client")}`,
  `--advertise-client-urls=unix://${join(folder, "client")}`,
  `--listen-peer-urls=unix://${join(folder, "peer")}`,
  `--initial-advertise-peer-urls=unix://${join(folder, "peer")}`,
];

/** Starts a member that cannot start. Returns its one fatal line. */
const failure = async (args: readonly string[]): Promise<string> => {
  const { code, signal, stderr } = await runMinietcd(args);
  assert.deepEqual({ code, signal }, { code: 1, signal: null }, stderr);
  const lines = stderr
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { level: string; msg: string; error: string });
  const serious = lines.filter(({ level }) => level !== "info" && level !== "warn");
  assert.deepEqual(
    serious.map(({ level, msg }) => ({ level, msg })),
    [{ level: "fatal", msg: "cannot start" }],
    stderr,
  );
  return serious[0]!.error;
};

/** Returns the contents of every file below `folder`, except the lock. */
const contents = async (folder: string): Promise<Record<string, string>> => {
  const files: Record<string, string> = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile() || path.includes("/lock/")) continue;
    files[path] = createHash("sha256")
      .update(await readFile(path))
      .digest("hex");
  }
  return files;
};

/** Prepares a member's directory with data, as an orderly stop leaves it. */
const prepareDirectory = async () => {
  const cluster = await startCluster({ members: 1 });
  for (let n = 0; n < 200; n++) await cluster.client.kv.put(`k/${n}`, "some value that takes a few bytes");
  const member = cluster.member(0);
  await member.kill("SIGTERM");
  return {
    folder: cluster.folder,
    dataDir: member.dataDir,
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
};

test("a unix socket with a path that is too long for the system keeps a member from starting, with the reason", async () => {
  await using folder = await tempFolder();
  const long = join(folder.path, "x".repeat(120));
  const flags = memberFlags(folder.path);
  assert.match(
    await failure([...flags, `--listen-client-urls=unix://${long}`]),
    /^listen .*x: bind: invalid argument: the path of a socket may have 10[37] bytes on this system/,
  );
  assert.match(await failure([...flags, `--listen-peer-urls=unix://${long}`]), /bind: invalid argument: the path/);
  assert.match(
    await failure([...flags, `--initial-advertise-peer-urls=unix://${long}`]),
    /--initial-cluster has .*: cannot connect to .*: the path of a socket may have/,
  );
});

test("a port in use is reported with its address", async () => {
  await using folder = await tempFolder();
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
  const flags = memberFlags(folder.path);
  const advice = `listen ${url.slice(7)}: bind: address already in use: stop what uses it, or choose another URL`;
  try {
    assert.equal(await failure([...flags, `--listen-client-urls=${url}`]), advice);
    assert.equal(await failure([...flags, `--listen-peer-urls=${url}`]), advice);
  } finally {
    other.close();
  }
});

test("a directory in use is refused, and its owner keeps running", async () => {
  await using cluster = await startCluster({ members: 1 });
  await using folder = await tempFolder();
  const owner = cluster.member(0);
  const error = await failure(memberFlags(folder.path, owner.dataDir));
  assert.match(error, /^data directory .* is in use by another process: stop it, or choose another --data-dir$/);
  await cluster.client.kv.put("k", "v");
});

test("a damaged log is reported with file and offset, and no file is changed", async () => {
  await using used = await prepareDirectory();
  const wal = join(used.dataDir, "member", "wal");
  const [name = ""] = (await readdir(wal)).sort();
  const bytes = await readFile(join(wal, name));
  bytes[5_000]! ^= 0x10; // well before the last batch, so it is no torn write
  await writeFile(join(wal, name), bytes);
  const before = await contents(used.dataDir);
  const error = await failure(memberFlags(used.folder, used.dataDir));
  assert.ok(error.includes(join(wal, name)), error);
  assert.match(error, /damaged/);
  assert.match(error, /offset|byte/);
  assert.deepEqual(await contents(used.dataDir), before);
});

test("a directory of a newer minietcd is refused, and no file is changed", async () => {
  await using used = await prepareDirectory();
  const path = join(used.dataDir, "member", "format.json");
  const format = JSON.parse(await readFile(path, "utf8")) as Record<string, unknown>;
  await writeFile(path, JSON.stringify({ ...format, formatVersion: 99 }));
  const before = await contents(used.dataDir);
  const error = await failure(memberFlags(used.folder, used.dataDir));
  assert.match(error, /format version 99, this minietcd supports versions up to \d+: use a newer minietcd$/);
  assert.deepEqual(await contents(used.dataDir), before);
});

test("the directory of a real etcd is refused, and no file is changed", async () => {
  await using folder = await tempFolder();
  const member = join(folder.path, "default.etcd", "member");
  await mkdir(join(member, "snap"), { recursive: true });
  await mkdir(join(member, "wal"));
  await writeFile(join(member, "snap", "db"), "bolt");
  await writeFile(join(member, "wal", "0000000000000000-0000000000000000.wal"), "etcd");
  const before = await contents(folder.path);
  const error = await failure(memberFlags(folder.path, join(folder.path, "default.etcd")));
  assert.match(error, /holds the data of a real etcd, which minietcd cannot read: choose another --data-dir$/);
  assert.deepEqual(await contents(folder.path), before);
  assert.deepEqual((await readdir(member)).sort(), ["snap", "wal"]);
});

test("a data directory that is a file is refused with its name", async () => {
  await using folder = await tempFolder();
  await writeFile(join(folder.path, "data"), "");
  assert.match(await failure(memberFlags(folder.path)), /^cannot use data directory .*: choose another --data-dir: /);
});

test("joining a cluster that exists is refused until it is supported, and a first start can follow", async () => {
  await using folder = await tempFolder();
  const flags = memberFlags(folder.path);
  const error = await failure([...flags, "--initial-cluster-state=existing"]);
  assert.match(error, /"existing": adding members to a running cluster is not supported yet/);
  await using member = MinietcdProcess.start(flags);
  await member.waitFor("the member is ready", ({ stderr }) => (stderr.includes("ready to serve") ? true : undefined));
});
