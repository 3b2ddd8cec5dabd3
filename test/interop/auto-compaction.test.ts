// Auto-compaction on minietcd and on real etcd: the same revisions go, and the log says so in the same words.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, EtcdError } from "../../client/index.js";
import { startEtcdCluster, type ServerKind } from "../support/etcd-process.js";

const deadlineMs = 30_000;

for (const kind of ["etcd", "minietcd"] satisfies ServerKind[])
  test(`${kind}: periodic auto-compaction leaves the newest revision and nothing older`, async () => {
    const flags = ["--auto-compaction-mode=periodic", "--auto-compaction-retention=1s", "--logger=zap"];
    await using cluster = await startEtcdCluster({ kind, flags });
    const client = new Client({ endpoints: cluster.endpoints });
    try {
      for (let n = 0; n < 5; n++) await client.kv.put("k", `${n}`);
      const { header } = await client.kv.put("k", "last");
      const at = (revision: number) => client.kv.get("k", { revision }).then(() => "there", codeOf);
      const deadline = performance.now() + deadlineMs;
      while ((await at(header.revision - 1)) === "there" && performance.now() < deadline)
        await new Promise((resolve) => setTimeout(resolve, 100));
      assert.equal(await at(header.revision - 1), "compacted");
      assert.equal(await at(header.revision), "there");
      const log = cluster.members.map((member) => member.log).join("");
      assert.match(log, /"msg":"starting auto periodic compaction","revision":\d+,"compact-period":"1s"/);
      assert.match(
        log,
        /"msg":"completed auto periodic compaction","revision":\d+,"compact-period":"1s","took":"[^"]+s"/,
      );
    } finally {
      await client.close();
    }
  });

const codeOf = (error: unknown): string => {
  if (error instanceof EtcdError && error.code === "out-of-range") return "compacted";
  throw error;
};
