import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkHashes } from "../../../../testing/kit/cluster/observations.js";
import { endParts, startParts } from "../../../../testing/kit/cluster/start-parts.js";
import { TestCluster } from "../../../../testing/kit/cluster/test-cluster.js";

/** Starts a cluster of one member that holds one key. */
const startHolding = async (value: string) => {
  const parts = await startParts({ members: 1, listen: false });
  await new TestCluster(parts).seed({ a: value });
  return { machines: parts.machines, [Symbol.asyncDispose]: () => endParts(parts) };
};

describe("checkHashes", () => {
  it("detects members that have applied the same entries and hold different keys", async () => {
    await using one = await startHolding("1");
    await using same = await startHolding("1");
    await using other = await startHolding("2");
    await checkHashes([...one.machines, ...same.machines]);
    await assert.rejects(checkHashes([...one.machines, ...other.machines]), /Members differ: at revision 2/);
  });
});
