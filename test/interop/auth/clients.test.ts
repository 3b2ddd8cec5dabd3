// Programs on clients in other languages that log in as a user with the rights of a prefix have the same output on etcd 3.7 and minietcd.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { pathOfTool } from "../../support/built-tools.js";
import { type EtcdCluster, type ServerKind, startEtcdCluster } from "../../support/etcd-process.js";
import { scaleMs, slowness } from "../../support/machine-speed.js";
import { type MutualTls, mutualTls } from "../../support/mutual-tls.js";
import { patientClient } from "../../support/patient-client.js";
import { tempFolder } from "../../support/temp-folder.js";

/** Timeout above the programs' own, whose failure shows the step. */
const timeoutMs = 90_000;
const user = { name: "ann", password: "ann's word" };

/** A program with the arguments endpoint, files of authority, certificate and key, slowness of the machine, user and password. */
interface Program {
  readonly name: string;
  readonly command: () => readonly [program: string, ...args: string[]];
  /** Its working directory. Default: this folder. */
  readonly folder?: () => string;
}

const source = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));

const programs: readonly Program[] = [
  { name: "Go's clientv3 3.7 with concurrency and recipes", command: () => [pathOfTool("clientv3/clientv3")] },
  // Debian's Python, for Debian's python3-etcd3; the PATH may have another one.
  { name: "python-etcd3", command: () => ["/usr/bin/python3", source("python/user.py")] },
  {
    name: "npm's etcd3",
    command: () => [process.execPath, source("tools/etcd3/user.mjs")],
    folder: () => pathOfTool("etcd3"),
  },
];

/** Adds root and the user, who may use the keys that begin with a slash, and enables authentication. */
async function addUsers(cluster: EtcdCluster, { tls }: MutualTls): Promise<void> {
  await using client = patientClient({ endpoints: cluster.endpoints, tls });
  const { auth } = client;
  for (const { name, password } of [{ name: "root", password: "r" }, user]) {
    await auth.userAdd({ user: name, password });
    await auth.roleAdd(name);
    await auth.userGrantRole({ user: name, role: name });
  }
  await auth.roleGrantPermission({ role: user.name, type: "readwrite", key: "/", prefix: true });
  await auth.enable();
}

describe("a program of a user with the rights of a prefix on", () => {
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  let files: MutualTls;

  before(async () => {
    folder = await tempFolder();
    files = await mutualTls(folder.path);
  });
  after(() => folder[Symbol.asyncDispose]());

  /** Runs a program on a fresh member. Returns the lines of its output. */
  const transcript = async (program: Program, kind: ServerKind): Promise<string[]> => {
    const { ca, client, tls, flags } = files;
    await using cluster = await startEtcdCluster({ kind, tls, flags: [...flags, "--bcrypt-cost=4"] });
    await addUsers(cluster, files);
    const [file, ...args] = program.command();
    const server = [cluster.member(0).endpoint, ca, client.cert, client.key, String(slowness())];
    const { PATH } = process.env;
    try {
      const { stdout } = await promisify(execFile)(file, [...args, ...server, user.name, user.password], {
        cwd: program.folder?.(),
        env: { PATH },
        timeout: scaleMs(timeoutMs),
      });
      return stdout.trimEnd().split("\n");
    } catch (error) {
      const { stdout = "", stderr = "" } = error as Partial<Record<"stdout" | "stderr", string>>;
      return assert.fail([`${program.name} on ${kind}: ${String(error)}`, stdout, stderr].join("\n"));
    }
  };

  for (const program of programs)
    test(`${program.name} prints the same on etcd and on minietcd`, async () => {
      const [expected, ours] = await Promise.all([transcript(program, "etcd-3.7"), transcript(program, "minietcd")]);
      assert.match(expected.at(-1) ?? "", /done/);
      assert.deepEqual(ours, expected);
    });
});
