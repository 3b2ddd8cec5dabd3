// Members that find each other in DNS: minietcd finds the same members as etcd 3.7, with the same ids, and has the same messages for
// failures.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { runOnOwnMachine } from "../../support/own-machine.js";
import type { Listed } from "./clusters.js";
import type { Outcome } from "./starts.js";

const reportOf = async (script: string): Promise<unknown> =>
  JSON.parse(await runOnOwnMachine(fileURLToPath(new URL(script, import.meta.url))));

test("a start with --discovery-srv finds the same members as etcd, and fails with the same errors", async () => {
  const { outcomes, asked } = (await reportOf("starts.ts")) as {
    outcomes: readonly { flags: string; etcd: Outcome; minietcd: Outcome }[];
    asked: number;
  };
  assert.ok(asked > outcomes.length, "DNS was asked");
  assert.deepEqual(
    outcomes.map(({ flags, minietcd }) => ({ flags, ...minietcd })),
    outcomes.map(({ flags, etcd }) => ({ flags, ...etcd })),
  );
  assert.equal(outcomes.filter(({ etcd }) => etcd.members !== undefined).length, 12);
});

test("three members form a cluster with nothing but a domain, with etcd's ids, and need no records afterwards", async () => {
  const [etcd, minietcd] = (await reportOf("clusters.ts")) as readonly {
    first: readonly Listed[];
    again: readonly Listed[];
    trust: readonly (readonly boolean[])[];
  }[];
  assert.ok(etcd !== undefined && minietcd !== undefined);
  const [list] = etcd.first;
  assert.equal(list?.members.length, 3);
  for (const each of [etcd.first, etcd.again, minietcd.first, minietcd.again])
    assert.deepEqual(each, [list, list, list]);
  // Certificates for the domain, which is compared at the first start only, and for a host of the URLs.
  assert.deepEqual(etcd.trust, [
    [true, false],
    [false, false],
  ]);
  assert.deepEqual(minietcd.trust, etcd.trust);
});
