// Endpoints from DNS: minietcdctl finds the same ones as etcdctl 3.7, and has the same messages for failures.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Answer } from "./ctl.js";
import { runOnOwnMachine } from "../../support/own-machine.js";

interface Outcome {
  readonly line: string;
  readonly etcdctl: Answer;
  readonly minietcdctl: Answer;
}

test("minietcdctl with --discovery-srv prints what etcdctl prints", async () => {
  const script = fileURLToPath(new URL("discovery-script.ts", import.meta.url));
  const { outcomes, asked } = JSON.parse(await runOnOwnMachine(script)) as { outcomes: Outcome[]; asked: number };
  assert.ok(asked > outcomes.length, "DNS was asked");
  assert.deepEqual(
    outcomes.map(({ line, minietcdctl }) => ({ line, ...minietcdctl })),
    outcomes.map(({ line, etcdctl }) => ({ line, ...etcdctl })),
  );
  const found = outcomes.filter(({ etcdctl }) => etcdctl.exitCode === 0);
  assert.equal(found.length, 4);
});
