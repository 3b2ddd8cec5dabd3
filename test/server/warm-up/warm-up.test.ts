// A workload in the idle time of a member: it runs in slices, and ends at a request, a stop or an error.

import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import test from "node:test";
import { VirtualClock } from "../../../testing/virtual-clock.js";
import { WarmUp, type Workload } from "../../../server/warm-up/warm-up.js";

const limits = { quietMs: 200, maxWork: 500, maxCpuMs: 1_000, maxMs: 60_000 };

/** A warm-up of a member without sockets, in virtual time. */
class Trial {
  readonly clock = new VirtualClock();
  readonly lines: Record<string, unknown>[] = [];
  readonly member = { work: 0, isStopping: false, workCount: () => this.member.work };
  opened = 0;
  steps = 0;
  closed = 0;
  cpuMs = 0;
  readonly warmUp: WarmUp;

  constructor(step: (trial: Trial) => Promise<boolean>, open?: () => Promise<Workload>) {
    const load: Workload = {
      runSlice: () => {
        this.steps += 1;
        return step(this);
      },
      close: () => Promise.resolve(void (this.closed += 1)),
    };
    const logger = { debug: (msg: string, fields?: object) => void this.lines.push({ msg, ...fields }) };
    const process = { cpuMs: () => this.cpuMs };
    this.warmUp = new WarmUp({ member: this.member, process, limits, clock: this.clock, logger }, () => {
      this.opened += 1;
      return open === undefined ? Promise.resolve(load) : open();
    });
  }

  /** Advances time, and runs the callbacks that are due. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 10) {
      await turn();
      this.clock.advance(10);
    }
    await turn();
  }
}

test("a workload begins after the quiet time, and is closed after its last slice", async () => {
  const trial = new Trial((self) => Promise.resolve(self.steps < 3));
  await trial.pass(150);
  assert.equal(trial.opened, 0);
  await trial.pass(500);
  assert.deepEqual([trial.opened, trial.steps, trial.closed], [1, 3, 1]);
  assert.deepEqual(
    trial.lines.map(({ msg, end }) => [msg, end]),
    [["warm-up has ended", "complete"]],
  );
  assert.equal(trial.clock.pendingTimers, 0);
});

test("no slice is carried out while the member has requests, and none after many of them", async () => {
  const trial = new Trial(() => Promise.resolve(true));
  await trial.pass(400);
  assert.ok(trial.steps > 0);
  trial.member.work = 1;
  await trial.pass(20);
  const { steps } = trial;
  await trial.pass(100);
  assert.equal(trial.steps, steps);
  trial.member.work = 500;
  await trial.pass(100);
  assert.equal(trial.lines[0]?.["end"], "requests");
  assert.deepEqual([trial.steps, trial.closed], [steps, 1]);
});

test("a member with requests from its start on is never warmed up", async () => {
  const trial = new Trial(() => Promise.resolve(true));
  for (let n = 0; n < 60; n++) {
    trial.member.work += 10;
    await trial.pass(20);
  }
  assert.deepEqual([trial.opened, trial.lines[0]?.["end"]], [0, "requests"]);
});

test("the budget of CPU time ends the warm-up", async () => {
  const trial = new Trial((self) => Promise.resolve((self.cpuMs += 300) > 0));
  await trial.pass(500);
  assert.deepEqual([trial.steps, trial.closed, trial.lines[0]?.["end"]], [4, 1, "cpu time"]);
});

test("a stop ends a pause, and leaves no timer", async () => {
  const trial = new Trial(() => Promise.resolve(true));
  await turn();
  await trial.warmUp.stop();
  assert.deepEqual([trial.opened, trial.clock.pendingTimers], [0, 0]);
  assert.equal(trial.lines[0]?.["end"], "stopped");
});

test("a stop of the member ends the warm-up before the next slice", async () => {
  const trial = new Trial((self) => Promise.resolve((self.member.isStopping = true)));
  await trial.pass(400);
  assert.deepEqual([trial.steps, trial.closed, trial.lines[0]?.["end"]], [1, 1, "stopped"]);
});

test("a workload that cannot be made is one line of the debug log", async () => {
  const trial = new Trial(
    () => Promise.resolve(true),
    () => Promise.reject(new Error("no port is left")),
  );
  await trial.pass(400);
  await trial.warmUp.stop();
  assert.deepEqual(trial.lines, [{ msg: "warm-up has failed", error: new Error("no port is left") }]);
});

test("a slice that is not answered ends the warm-up, and closes the workload", async () => {
  const trial = new Trial(() => new Promise(() => undefined));
  await trial.pass(6_000);
  assert.equal(trial.lines[0]?.["msg"], "warm-up has failed");
  assert.deepEqual([trial.closed, trial.clock.pendingTimers], [1, 0]);
});
