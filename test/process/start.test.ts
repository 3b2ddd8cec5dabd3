// A start loads only the modules that it needs.

import assert from "node:assert/strict";
import { join } from "node:path";
import test from "node:test";
import { MinietcdProcess } from "../support/minietcd-process.js";
import { tempFolder } from "../support/temp-folder.js";

/** A module with which the process prints on SIGUSR2 which files of CommonJS packages it has loaded. */
const probe = `data:text/javascript,${encodeURIComponent(`
  import { createRequire } from "node:module";
  const { cache } = createRequire("/");
  process.on("SIGUSR2", () => console.log(JSON.stringify(Object.keys(cache))));
`)}`;

/** Returns the packages that a ready member has loaded, without those in the bundle. */
const packagesOf = async (...flags: readonly string[]): Promise<ReadonlySet<string>> => {
  await using folder = await tempFolder();
  const socket = (name: string): string => `unix://${join(folder.path, name)}`;
  await using member = MinietcdProcess.start(
    [
      ...[`--data-dir=${join(folder.path, "data")}`, ...flags],
      ...[`--listen-client-urls=${socket("client")}`, `--advertise-client-urls=${socket("client")}`],
      ...[`--listen-peer-urls=${socket("peer")}`, `--initial-advertise-peer-urls=${socket("peer")}`],
      `--initial-cluster=default=${socket("peer")}`,
    ],
    { env: { NODE_OPTIONS: `--import=${probe}` } },
  );
  await member.waitFor("ready", ({ stderr }) => stderr.includes("ready to serve client requests") || undefined);
  member.signal("SIGUSR2");
  const files = await member.waitFor("its files", ({ stdout }) => /^(\[.*\])\n/.exec(stdout)?.[1]);
  const names = (JSON.parse(files) as string[]).map((file) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1]);
  return new Set(names.filter((name) => name !== undefined));
};

/** Packages that are loaded only when a request or a flag needs them. */
const onRequest = ["@grpc/grpc-js", "commander", "yaml"];

test("a member loads only the packages for its store and its flags", async () => {
  const usual = await packagesOf("--rpc-engine=native");
  assert.ok(usual.has("classic-level"));
  assert.deepEqual(
    onRequest.filter((name) => usual.has(name)),
    [],
  );
  const other = await packagesOf("--rpc-engine=grpc-js");
  assert.deepEqual(
    onRequest.filter((name) => other.has(name)),
    ["@grpc/grpc-js"],
  );
});
