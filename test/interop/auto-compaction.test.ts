// Auto-compaction on minietcd and etcd: the same revisions are compacted, with the same log messages.

import assert from "node:assert/strict";
import { test } from "node:test";
import { EtcdError } from "../../client/index.js";
import { eventually } from "../support/deadline.js";
import { startEtcdCluster, type ServerKind } from "../support/etcd-process.js";
import { patientClient } from "../support/patient-client.js";

const deadlineMs = 30_000;

for (const kind of ["etcd", "minietcd"] satisfies ServerKind[])
  test(`${kind}: periodic auto-compaction leaves the newest revision and nothing older`, async () => {
    const flags = ["--auto-compaction-mode=periodic", "--auto-compaction-retention=1s", "--logger=zap"];
    await using cluster = await startEtcdCluster({ kind, flags });
    const client = patientClient({ endpoints: cluster.endpoints });
    try {
      for (let n = 0; n < 5; n++) await client.kv.put("k", `${n}`);
      const { header } = await client.kv.put("k", "last");
      const readAt = (revision: number) => client.kv.get("k", { revision }).then(() => "there", codeOf);
      await eventually(
        deadlineMs,
        "the compaction",
        async () => (await readAt(header.revision - 1)) === "compacted" || undefined,
      );
      assert.equal(await readAt(header.revision), "there");
      const completed =
        /"msg":"completed auto periodic compaction","revision":\d+,"compact-period":"1s","took":"[^"]+s"/;
      const logs = () => cluster.members.map((member) => member.log).join("");
      await eventually(deadlineMs, "the log line of a completed compaction", () => completed.test(logs()) || undefined);
      assert.match(logs(), /"msg":"starting auto periodic compaction","revision":\d+,"compact-period":"1s"/);
    } finally {
      await client.close();
    }
  });

const codeOf = (error: unknown): string => {
  if (error instanceof EtcdError && error.code === "out-of-range") return "compacted";
  throw error;
};
