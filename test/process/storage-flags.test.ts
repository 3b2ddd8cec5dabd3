// `--memory` and `--unsafe-no-fsync`: the files of a process, whether it syncs them, and its warnings.

import assert from "node:assert/strict";
import { readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { MinietcdProcess } from "../support/minietcd-process.js";
import { patientClient } from "../support/patient-client.js";
import { tempFolder } from "../support/temp-folder.js";

/** The flag of an open file on Linux with which each write is synced. */
const syncedWrites = 0o10000;

const startMember = async (folder: string, flags: readonly string[]): Promise<MinietcdProcess> => {
  const urls = ["--listen-client-urls", "--advertise-client-urls"].map((flag) => `${flag}=unix://${folder}/client`);
  const peer = ["--listen-peer-urls", "--initial-advertise-peer-urls"].map((flag) => `${flag}=unix://${folder}/peer`);
  const member = MinietcdProcess.start(
    [...flags, ...urls, ...peer, `--initial-cluster=default=unix://${folder}/peer`],
    { cwd: folder },
  );
  await member.waitFor("ready", ({ stderr }) => stderr.includes("ready to serve client requests") || undefined);
  await using client = patientClient({ endpoints: [`unix://${folder}/client`] });
  await client.kv.put("k", "v");
  assert.equal(await client.kv.getText("k"), "v");
  return member;
};

/** Returns the member's files without its sockets. */
const filesIn = async (folder: string): Promise<string[]> =>
  (await readdir(folder)).filter((name) => name !== "client" && name !== "peer" && !name.endsWith(".lock"));

const warnings = ({ stderr }: MinietcdProcess): string[] =>
  [...stderr.matchAll(/"level":"warn".*"msg":"([^"]*)"/g)].map(([, message = ""]) => message);

/** Tells whether the log of a process is open for synced writes. */
const isLogSynced = async (pid: number | undefined): Promise<boolean> => {
  const descriptors = `/proc/${pid}/fd`;
  for (const name of await readdir(descriptors)) {
    if (!(await readlink(join(descriptors, name)).catch(() => "")).endsWith(".wal")) continue;
    const info = await readFile(`/proc/${pid}/fdinfo/${name}`, "utf8");
    return (parseInt(/^flags:\s*(\d+)/m.exec(info)?.[1] ?? "", 8) & syncedWrites) !== 0;
  }
  throw new Error("no log is open");
};

test("--memory: a member serves, writes no file, warns once that its data will be lost, and restarts empty", async () => {
  await using folder = await tempFolder();
  for (let round = 1; round <= 2; round++) {
    await using member = await startMember(folder.path, ["--memory"]);
    assert.deepEqual(warnings(member), ["all data is in memory: it is lost when this member ends"]);
    assert.deepEqual(await filesIn(folder.path), []);
    await using client = patientClient({ endpoints: [`unix://${folder.path}/client`] });
    assert.equal((await client.kv.get("k")).kvs[0]?.version, 1, "the first write of a new cluster");
    await member.end("SIGTERM");
  }
});

const isLinux = process.platform === "linux";

test(
  "--unsafe-no-fsync: no write is synced, which one line says; a restart has the data",
  { skip: !isLinux },
  async () => {
    await using folder = await tempFolder();
    {
      await using usual = await startMember(folder.path, []);
      assert.equal(await isLogSynced(usual.pid), true);
      assert.deepEqual(warnings(usual), []);
      await usual.end("SIGTERM");
    }
    for (const version of [2, 3]) {
      await using member = await startMember(folder.path, ["--unsafe-no-fsync"]);
      assert.equal(await isLogSynced(member.pid), false);
      assert.match(warnings(member).join("\n"), /^nothing is synced: [^\n]*$/);
      await using client = patientClient({ endpoints: [`unix://${folder.path}/client`] });
      assert.equal((await client.kv.get("k")).kvs[0]?.version, version);
      await member.end("SIGKILL");
    }
  },
);
