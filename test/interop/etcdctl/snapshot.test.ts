// snapshot save: etcdctl and minietcdctl on etcd write the same kind of file, which etcdutl reads; minietcd refuses both.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Client } from "../../../client/index.js";
import { pathOfTool } from "../../support/built-tools.js";
import { startEtcdCluster } from "../../support/etcd-process.js";
import { tempFolder } from "../../support/temp-folder.js";
import { etcdctl, minietcdctl, type Answer, type Ctl } from "./ctl.js";

const programs = { etcdctl: etcdctl(), minietcdctl };

const statusOf = (path: string): unknown =>
  JSON.parse(
    execFileSync(pathOfTool("etcd/etcdutl"), ["snapshot", "status", path, "-w", "json"], { encoding: "utf8" }),
  );

/** Returns an answer without etcdctl's log lines, and with fixed names. */
const normalizeAnswer = ({ stdout, stderr, exitCode }: Answer, ...names: readonly string[]) => {
  const maskNames = (text: string) => names.reduce((rest, name, n) => rest.replaceAll(name, `NAME${n}`), text);
  const lines = stderr.split("\n").filter((line) => !line.startsWith("{") && !line.startsWith("Warning: "));
  return { stdout: maskNames(stdout), stderr: maskNames(lines.join("\n")), exitCode };
};

const sayOf = (ctl: Ctl, endpoints: string, ...words: readonly string[]) =>
  ctl.run([`--endpoints=${endpoints}`, "snapshot", ...words], { stdin: "", env: {} });

describe("minietcdctl snapshot save", () => {
  test("on etcd writes what etcdutl takes for the same backup, also of many parts", async () => {
    await using cluster = await startEtcdCluster({ kind: "etcd-3.7", members: 1 });
    const [endpoint = ""] = cluster.endpoints;
    await using client = new Client({ endpoints: [endpoint] });
    for (let n = 0; n < 40; n++) await client.kv.put(`key${n}`, String(n % 10).repeat(500_000));
    await using folder = await tempFolder();
    const paths = Object.fromEntries(Object.keys(programs).map((name) => [name, join(folder.path, `${name}.db`)]));
    const outcomes = [];
    for (const [name, ctl] of Object.entries(programs))
      outcomes.push(normalizeAnswer(await sayOf(ctl, endpoint, "save", paths[name]!), paths[name]!));
    assert.deepEqual(outcomes[1], outcomes[0]);
    assert.equal(outcomes[1]?.exitCode, 0);
    const statuses = Object.values(paths).map(statusOf);
    assert.deepEqual(statuses[1], statuses[0]);
    assert.equal(readFileSync(paths["minietcdctl"]!).length, readFileSync(paths["etcdctl"]!).length);
  });

  test("prints etcdctl's errors when it fails", async () => {
    await using etcd = await startEtcdCluster({ kind: "etcd-3.7", members: 1 });
    await using ours = await startEtcdCluster({ kind: "minietcd", members: 1 });
    await using folder = await tempFolder();
    const [endpoint = "", own = ""] = [...etcd.endpoints, ...ours.endpoints];
    const lines: readonly (readonly [string, ...string[]])[] = [
      [endpoint, "save"],
      [endpoint, "save", "a", "b"],
      [endpoint, "save", join(folder.path, "none", "x.db")],
      [`${endpoint},${own}`, "save", join(folder.path, "x.db")],
      [own, "save", join(folder.path, "x.db")],
    ];
    for (const [endpoints, ...words] of lines) {
      const theirs = normalizeAnswer(await sayOf(programs.etcdctl, endpoints, ...words), folder.path);
      const mine = normalizeAnswer(await sayOf(programs.minietcdctl, endpoints, ...words), folder.path);
      assert.deepEqual(mine, theirs, words.join(" "));
      assert.notEqual(mine.exitCode, 0);
    }
  });
});
