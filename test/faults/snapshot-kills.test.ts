// kill -9 at any instant of members that always need snapshots: the sender, the receiver, or both.

import assert from "node:assert/strict";
import test from "node:test";
import { lengthen } from "../support/machine-speed.js";
import { startCluster, type TestCluster } from "../support/minietcd-cluster.js";
import { assertNothingLost, assertRevisionsInOrder, assertSameHash } from "./checks.js";
import { instantsOf } from "./instants.js";
import { Writers } from "./writers.js";

/** A log that is truncated as soon as possible, so that a member needs a snapshot after a short absence. */
const shortLog = ["--snapshot-count=5", "--snapshot-catchup-entries=2"];
const restartMs = 15_000;
/** Approximate duration of a transfer and an installation, within which a member is killed. */
const transferMs = lengthen(400);

const uniqueValueOf = (writer: number, n: number): string => `${writer}/${n}`;

const count = ({ members }: TestCluster, message: string): number =>
  members.reduce((sum, member) => sum + member.running.log.filter(({ msg }) => msg === message).length, 0);

test("20 kills of members that receive or send snapshots lose no acknowledged write", async (t) => {
  const anyInstantWithin = instantsOf(t);
  await using cluster = await startCluster({ flags: shortLog });
  await using writers = new Writers({ endpoints: cluster.endpoints, writers: 6, keyOf: uniqueValueOf });
  let begun = 0;
  let installed = 0;
  for (let round = 0; round < 20; round++) {
    await writers.timeFirstNewWrite(restartMs);
    const leader = await cluster.leader();
    const away = cluster.members.find((member) => member !== leader)!;
    await away.kill("SIGKILL");
    await writers.timeFirstNewWrite(restartMs);
    away.launch();
    await away.running.waitFor(
      "a start",
      ({ log }) => log.find(({ msg }) => msg === "starting local member"),
      restartMs,
    );
    await anyInstantWithin(transferMs);
    begun += count(cluster, "receiving database snapshot");
    installed += count(cluster, "applied snapshot");
    const victims = round % 3 === 0 ? [away] : round % 3 === 1 ? [leader] : [away, leader];
    await Promise.all(victims.map((member) => member.kill("SIGKILL")));
    await cluster.start();
  }
  await writers.timeFirstNewWrite(restartMs);
  await writers.stop();
  t.diagnostic(`${begun} snapshots were begun before a kill, ${installed} installed`);
  assertRevisionsInOrder(writers.writes);
  await assertNothingLost(cluster, writers.writes);
  await assertSameHash(cluster);
  assert.equal(count(cluster, "unexpected error"), 0);
});
