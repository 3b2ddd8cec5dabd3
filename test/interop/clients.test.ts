// Programs on clients in other languages have the same output on etcd 3.7 and minietcd, over mutual TLS.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { pathOfTool } from "../support/built-tools.js";
import { type ServerKind, startEtcdCluster } from "../support/etcd-process.js";
import { scaleMs, slowness } from "../support/machine-speed.js";
import { type MutualTls, mutualTls } from "../support/mutual-tls.js";
import { tempFolder } from "../support/temp-folder.js";

/** Timeout above the programs' own, whose failure shows the step. */
const timeoutMs = 90_000;

/** A program with the arguments endpoint, files of authority, certificate and key, and slowness of the machine. */
interface Program {
  readonly name: string;
  /** The client's folder below test/interop/tools. */
  readonly folder: string;
  readonly command: (installed: string) => readonly [program: string, ...args: string[]];
  /** Additional variables of its environment. */
  readonly environment?: (installed: string) => Readonly<Record<string, string>>;
}

const source = (path: string): string => fileURLToPath(new URL(`tools/${path}`, import.meta.url));

const programs: readonly Program[] = [
  {
    name: "Go's clientv3 3.7 with concurrency, recipes and naming",
    folder: "clientv3",
    command: (installed) => [`${installed}/clientv3`],
  },
  {
    name: "Python's etcd3gw, on the JSON gateway",
    folder: "etcd3gw",
    command: () => ["/usr/bin/python3", source("etcd3gw/services.py")],
    environment: (installed) => ({ PYTHONPATH: installed }),
  },
  {
    name: "npm's etcd3",
    folder: "etcd3",
    command: () => [process.execPath, source("etcd3/services.mjs")],
  },
  {
    name: "Java's jetcd",
    folder: "jetcd",
    command: (installed) => ["java", "-cp", `${installed}:${installed}/lib/*`, "Services"],
  },
];

describe("a program over mutual TLS on", () => {
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  let files: MutualTls;

  before(async () => {
    folder = await tempFolder();
    files = await mutualTls(folder.path);
  });
  after(() => folder[Symbol.asyncDispose]());

  /** Runs a program on a fresh member. Returns the lines of its output. */
  const transcript = async (program: Program, kind: ServerKind, flags: readonly string[] = []): Promise<string[]> => {
    const { ca, client, tls, flags: own } = files;
    const installed = pathOfTool(program.folder);
    const [file, ...args] = program.command(installed);
    const { PATH } = process.env;
    await using cluster = await startEtcdCluster({ kind, tls, flags: [...own, ...flags] });
    const words = [...args, cluster.member(0).endpoint, ca, client.cert, client.key, String(slowness())];
    try {
      const { stdout } = await promisify(execFile)(file, words, {
        cwd: installed,
        env: { PATH, ...program.environment?.(installed) },
        timeout: scaleMs(timeoutMs),
      });
      return stdout.trimEnd().split("\n");
    } catch (error) {
      const { stdout = "", stderr = "" } = error as Partial<Record<"stdout" | "stderr", string>>;
      return assert.fail([`${program.folder} on ${kind}: ${String(error)}`, stdout, stderr].join("\n"));
    }
  };

  for (const program of programs)
    test(`${program.name} prints the same on etcd and on minietcd`, async () => {
      const [expected, ...ours] = await Promise.all([
        transcript(program, "etcd-3.7"),
        transcript(program, "minietcd"),
        transcript(program, "minietcd", ["--rpc-engine=grpc-js"]),
      ]);
      assert.equal(expected.at(-1), "== done");
      for (const lines of ours) assert.deepEqual(lines, expected);
    });
});
