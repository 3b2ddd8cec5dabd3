// Programs on python-etcd3 have the same output on etcd and minietcd.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { startEtcdCluster, type ServerKind } from "../../support/etcd-process.js";
import { scaleMs, slowness } from "../../support/machine-speed.js";

/** Debian's Python, for Debian's python3-etcd3; the PATH may have another one. */
const python = "/usr/bin/python3";
const script = fileURLToPath(new URL("services.py", import.meta.url));
/** Timeout above the script's own, whose failure shows the step. */
const timeoutMs = 120_000;

async function transcript(kind: ServerKind, flags: readonly string[] = []): Promise<string[]> {
  await using cluster = await startEtcdCluster({ kind, flags });
  const [host = "", port = ""] = cluster.member(0).endpoint.split(":");
  const { stdout } = await promisify(execFile)(python, [script, host, port, String(slowness())], {
    env: {},
    timeout: scaleMs(timeoutMs),
  });
  return stdout.trimEnd().split("\n");
}

test("python-etcd3 prints the same on etcd and on minietcd, with either engine", async () => {
  const [expected, native, grpcJs] = await Promise.all([
    transcript("etcd"),
    transcript("minietcd"),
    transcript("minietcd", ["--rpc-engine=grpc-js"]),
  ]);
  assert.equal(expected.at(-1), "== done");
  assert.deepEqual(native, expected);
  assert.deepEqual(grpcJs, expected);
});
