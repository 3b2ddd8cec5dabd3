import assert from "node:assert/strict";
import { test } from "node:test";
import { Histogram } from "../../../platform/index.js";
import { expose } from "../../../server/metrics/exposition.js";
import { counter, gauge, histogram, info, outcomes } from "../../../server/metrics/family.js";

test("families are written in the text format, buckets cumulative and with Go's text of their bounds", async () => {
  const measured = new Histogram([0.5, 1_048_576]);
  for (const value of [0.25, 2, 3, 2_000_000]) measured.observe(value);
  const text = await expose([
    counter("c_total", "A counter.", 3),
    gauge("g", "A gauge.", [{ labels: { name: 'a "b"' }, value: -1.5 }]),
    info("i", "An info.", { version: "1" }),
    histogram("h", "A histogram.", measured),
  ]);
  assert.deepEqual(
    text.split("\n").filter((line) => line !== ""),
    [
      ...["# HELP c_total A counter.", "# TYPE c_total counter", "c_total 3"],
      ...["# HELP g A gauge.", "# TYPE g gauge", String.raw`g{name="a \"b\""} -1.5`],
      ...["# HELP i An info.", "# TYPE i gauge", 'i{version="1"} 1'],
      ...["# HELP h A histogram.", "# TYPE h histogram"],
      ...['h_bucket{le="0.5"} 1', 'h_bucket{le="1.048576e+06"} 3', 'h_bucket{le="+Inf"} 4'],
      ...["h_sum 2000005.25", "h_count 4"],
    ],
  );
});

test("outcomes that never happened are left out", () => {
  const durations = { success: new Histogram([1]), failure: new Histogram([1]) };
  durations.failure.observe(2);
  assert.deepEqual(
    outcomes(durations, { type: "Put" }).map(({ labels }) => labels),
    [{ type: "Put", success: "false" }],
  );
});
