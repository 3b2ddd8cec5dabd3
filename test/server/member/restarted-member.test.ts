import assert from "node:assert/strict";
import test from "node:test";
import { startTestCluster } from "../../../testing/kit/index.js";

test("a restarted follower answers linearizable reads once the leader's link to it is open, before the next heartbeat", async () => {
  await using cluster = await startTestCluster({ clock: "virtual", listen: false });
  const leader = await cluster.waitForLeader();
  const member = cluster.members.find((each) => each !== leader);
  assert.ok(member);
  await member.kill();
  await cluster.client().kv.put("key", "value");
  await cluster.clock.advance(40);
  for (const other of cluster.members) if (other !== member) other.faults.on("Range").reject("UNAVAILABLE");
  const began = cluster.clock.now();
  await member.restart();
  assert.equal(await cluster.client().kv.getText("key"), "value");
  assert.ok(cluster.clock.now() - began < 10, "heartbeats are 100 ms apart");
});
