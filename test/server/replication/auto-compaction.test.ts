// Auto-compaction in virtual time. The expected values are from etcd's own tests (v3compactor: periodic_test.go, revision_test.go).

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  goDuration,
  startAutoCompaction,
  type AutoCompactorOptions,
} from "../../../server/replication/auto-compaction.js";
import type { Revision } from "../../../store/index.js";
import type { ResultHandler } from "../../../server/base/index.js";
import type { Command } from "../../../server/replication/command.js";
import type { AutoCompaction } from "../../../server/config/config.js";
import { coreStatus, recordingLogger } from "../member/member-fixtures.js";
import { VirtualClock } from "../../../testing/virtual-clock.js";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

const setUp = (
  setting: AutoCompaction,
  outcome: () => "compacted" | Error | undefined = () => "compacted",
  delayMs = 0,
) => {
  const clock = new VirtualClock();
  const { logger, lines } = recordingLogger();
  const world = { revision: 1, leads: true };
  const compactions: { readonly at: number; readonly revision: number }[] = [];
  const proposals: AutoCompactorOptions["proposals"] = {
    proposeOwn: (command: Command, handler: ResultHandler<unknown>) => {
      assert.ok(command.$case === "compact");
      compactions.push({ at: clock.now(), revision: Number(command.value.revision) });
      const ended = outcome();
      if (ended === "compacted" && delayMs > 0) clock.after(delayMs, () => handler.onResult(undefined));
      else if (ended === "compacted") handler.onResult(undefined);
      else if (ended !== undefined) handler.onError(ended);
    },
  };
  const store = {
    get revision(): Revision {
      return world.revision as Revision;
    },
  };
  const node = { status: () => coreStatus({ role: world.leads ? "leader" : "follower" }) };
  const compactor = startAutoCompaction(setting, { clock, logger, store, node, proposals });
  return { clock, lines, world, compactions, compactor };
};

const periodicMode = (retentionMs: number): AutoCompaction => ({ mode: "periodic", retentionMs });

for (const [name, periodMs, every] of [
  ["an hour", hourMs, hourMs],
  ["ten minutes", 10 * minuteMs, 10 * minuteMs],
  ["two hours", 2 * hourMs, hourMs],
  ["a second", 1_000, 1_000],
] as const)
  test(`periodic compaction over ${name}: first after a period, then every ${goDuration(every)}`, () => {
    const { clock, world, compactions } = setUp(periodicMode(periodMs));
    const noteMs = every / 10;
    for (let tick = 1; tick <= 50; tick++) {
      world.revision = tick; // recorded at the end of this tick
      clock.advance(noteMs);
    }
    const first = { at: periodMs, revision: 1 };
    const later = Array.from({ length: Math.floor((50 * noteMs - periodMs) / every) }, (_, n) => {
      const at = periodMs + (n + 1) * every;
      // The revision of one period ago, rounded down to a record.
      return { at, revision: (at - periodMs) / noteMs - 1 };
    });
    assert.deepEqual(compactions, [first, ...later]);
  });

test("the next periodic compaction is a period after the last one began, though that one took its time", () => {
  const { clock, world, compactions } = setUp(periodicMode(hourMs), () => "compacted", 5);
  for (let tick = 1; tick <= 50; tick++) {
    world.revision = tick;
    clock.advance(hourMs / 10);
  }
  assert.deepEqual(
    compactions.map(({ at }) => at / hourMs),
    [1, 2, 3, 4, 5],
  );
});

test("a member that does not lead records revisions and compacts nothing; once it leads it compacts at once", () => {
  const { clock, world, compactions } = setUp(periodicMode(hourMs));
  world.leads = false;
  for (let tick = 1; tick <= 30; tick++) {
    world.revision = tick;
    clock.advance(hourMs / 10);
  }
  assert.deepEqual(compactions, []);
  world.leads = true;
  clock.advance(hourMs / 10);
  assert.deepEqual(compactions, [{ at: 3.1 * hourMs, revision: 20 }]);
});

test("a failed periodic compaction is retried a tenth of a period later", () => {
  const outcomes: ("compacted" | Error)[] = [new Error("no leader"), new Error("no leader"), "compacted"];
  const { clock, lines, compactions } = setUp(periodicMode(10 * minuteMs), () => outcomes.shift() ?? "compacted");
  clock.advance(30 * minuteMs);
  assert.deepEqual(
    compactions.map(({ at }) => at / minuteMs),
    [10, 11, 12],
  );
  assert.deepEqual(
    lines.map(({ level, msg }) => `${level} ${msg}`),
    [
      ...["info starting auto periodic compaction", "warn failed auto periodic compaction"],
      ...["info starting auto periodic compaction", "warn failed auto periodic compaction"],
      ...["info starting auto periodic compaction", "info completed auto periodic compaction"],
    ],
  );
  const failed = lines[1];
  assert.deepEqual(
    [failed?.["revision"], failed?.["compact-period"], failed?.["retry-interval"], failed?.["error"]],
    [1, "10m0s", "1m0s", "no leader"],
  );
});

test("no compaction starts without new revisions, or during another compaction", () => {
  const quiet = setUp(periodicMode(1_000));
  quiet.world.revision = 5;
  quiet.clock.advance(60_000);
  assert.deepEqual(
    quiet.compactions.map(({ revision }) => revision),
    [1, 5],
  );
  const slow = setUp(periodicMode(1_000), () => undefined);
  slow.world.revision = 5;
  slow.clock.advance(60_000);
  assert.equal(slow.compactions.length, 1);
});

test("revision compaction keeps the last revisions, runs every five minutes, and retries a failure after five", () => {
  const outcomes: ("compacted" | Error)[] = ["compacted", new Error("no leader")];
  const { clock, lines, world, compactions } = setUp({ mode: "revision", retention: 10 }, () => {
    return outcomes.shift() ?? "compacted";
  });
  world.revision = 10;
  clock.advance(5 * minuteMs);
  assert.deepEqual(compactions, [], "as many as are to stay");
  world.revision = 100;
  clock.advance(10 * minuteMs);
  assert.deepEqual(compactions, [{ at: 10 * minuteMs, revision: 90 }]);
  world.revision = 105;
  clock.advance(10 * minuteMs);
  assert.deepEqual(compactions.slice(1), [
    { at: 20 * minuteMs, revision: 95 },
    { at: 25 * minuteMs, revision: 95 },
  ]);
  const completed = lines.find(({ msg }) => msg === "completed auto revision compaction");
  assert.deepEqual([completed?.["revision"], completed?.["revision-compaction-retention"]], [90, 10]);
  const failed = lines.find(({ msg }) => msg === "failed auto revision compaction");
  assert.equal(failed?.["retry-interval"], "5m0s");
});

test("a compactor that is stopped leaves no timer", () => {
  for (const setting of [periodicMode(1_000), { mode: "revision", retention: 1 } as const]) {
    const { clock, compactor } = setUp(setting);
    compactor.stop();
    assert.equal(clock.pendingTimers, 0);
  }
});

test("durations are printed as in Go", () => {
  const rows = [
    [0, "0s"],
    [1, "1ms"],
    [0.25, "0.25ms"],
    [999.5, "999.5ms"],
    [1_000, "1s"],
    [1_500, "1.5s"],
    [60_000, "1m0s"],
    [hourMs, "1h0m0s"],
    [25 * hourMs + 61_001, "25h1m1.001s"],
  ] as const;
  for (const [ms, text] of rows) assert.equal(goDuration(ms), text);
});
