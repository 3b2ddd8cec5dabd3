// A start with an existing data directory uses some flags and ignores others. etcd logs "server has already been initialized" without
// naming flags.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { ServerFlags } from "../../../server/config/config.js";
import { Member } from "../../../server/member/member.js";
import { quietEnvironment, singleMember, temporaryDirectory } from "../member/member-fixtures.js";

const start = async (directory: string, flags: Partial<ServerFlags>) => {
  const environment = quietEnvironment();
  const member = await Member.start(singleMember(directory, flags), environment);
  await member.whenReady;
  await member.stop();
  const initialized = environment.lines.some(({ msg }) => msg === "server has already been initialized");
  const warnings = environment.lines.filter(({ level }) => level === "warn");
  return { initialized, warnings: warnings.map(({ msg, from, to, given, used }) => ({ msg, from, to, given, used })) };
};

test("a restart logs the flags that are ignored, and the name that changes", async (t) => {
  const directory = await temporaryDirectory(t);
  const peer = `unix://${join(directory, "peer")}`;
  const first = await start(directory, { name: "a" });
  assert.deepEqual(first, { initialized: false, warnings: [] });
  assert.deepEqual(
    await start(directory, { name: "a", initialCluster: `a=${peer}`, initialClusterState: "existing" }),
    {
      initialized: true,
      warnings: [],
    },
  );
  const other = {
    name: "b",
    initialCluster: `b=${peer},c=http://127.0.0.1:1`,
    initialClusterToken: "other",
    initialAdvertisePeerUrls: "http://127.0.0.1:2",
  };
  const ignoredWarning = (flag: string, given: string, used: string) => {
    const msg = `--${flag} is ignored: the cluster has already been initialized`;
    return { msg, from: undefined, to: undefined, given, used };
  };
  const renamed = { msg: "--name changes this member's name", given: undefined, used: undefined };
  assert.deepEqual((await start(directory, other)).warnings, [
    { ...renamed, from: "a", to: "b" },
    ignoredWarning("initial-cluster", other.initialCluster, `a=${peer}`),
    ignoredWarning("initial-advertise-peer-urls", other.initialAdvertisePeerUrls, peer),
    ignoredWarning("initial-cluster-token", "other", "the token of the first start"),
  ]);
  // The member has the default name without --name, as in etcd.
  assert.deepEqual((await start(directory, {})).warnings, [{ ...renamed, from: "b", to: "default" }]);
});
