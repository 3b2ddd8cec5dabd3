// minietcdctl get --stream: the output does not depend on the number of chunks.

import assert from "node:assert/strict";
import { test } from "node:test";
import { startTestServer } from "../../../../testing/kit/index.js";
import { startProgram } from "./running-program.js";

test("get --stream prints the same as get, also for many chunks", async () => {
  await using server = await startTestServer();
  const client = server.client();
  const value = "v".repeat(4_000);
  for (let at = 0; at < 1_000; at += 100)
    await client.kv.txn({
      success: Array.from({ length: 100 }, (_, n) => ({ op: "put", key: `k/${at + n}`, value })),
    });
  for (const flags of [[], ["--limit=7"], ["--rev=3"], ["--keys-only"]]) {
    const words = ["get", "k/", "--prefix", "-w", "json", ...flags];
    const expected = await startProgram(server.endpoint, ...words).ended;
    assert.deepEqual(await startProgram(server.endpoint, ...words, "--stream").ended, expected);
  }
  const late = await startProgram(server.endpoint, "get", "k/", "--prefix", "--stream", "--rev=99999").ended;
  assert.deepEqual([late.code, late.stderr], [1, "Error: etcdserver: mvcc: required revision is a future revision\n"]);
});
