import assert from "node:assert/strict";
import { test } from "node:test";
import { Histogram } from "../../../platform/index.js";
import { expose } from "../../../server/metrics/exposition.js";
import { counter, gauge, histogram, info, outcomes } from "../../../server/metrics/family.js";

const samplesIn = (text: string): string[] => text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));

test("families are written in the text format, buckets cumulative and with Go's text of their bounds", () => {
  const measured = new Histogram([0, 0.00005, 0.5, 1_048_576]);
  for (const value of [0, 0.25, 2, 3, 2_000_000]) measured.observe(value);
  const text = expose([
    counter("c_total", "A counter.", 3),
    gauge("g", "A gauge.", -1.5),
    info("i", "An info.", { version: "1" }),
    histogram("h", "A histogram.", measured),
  ]);
  assert.equal(
    text,
    [
      ...["# HELP c_total A counter.", "# TYPE c_total counter", "c_total 3"],
      ...["# HELP g A gauge.", "# TYPE g gauge", "g -1.5"],
      ...["# HELP i An info.", "# TYPE i gauge", 'i{version="1"} 1'],
      ...["# HELP h A histogram.", "# TYPE h histogram"],
      ...['h_bucket{le="0"} 1', 'h_bucket{le="5e-05"} 1', 'h_bucket{le="0.5"} 2'],
      ...['h_bucket{le="1.048576e+06"} 4', 'h_bucket{le="+Inf"} 5'],
      ...["h_sum 2000005.25", "h_count 5", ""],
    ].join("\n"),
  );
});

test("labels are sorted by name, and are on every line of a histogram", () => {
  const measured = new Histogram([1]);
  assert.deepEqual(
    samplesIn(expose([histogram("h", "", [{ labels: { type: "Put", success: "true" }, histogram: measured }])])),
    [
      ...['h_bucket{success="true",type="Put",le="1"} 0', 'h_bucket{success="true",type="Put",le="+Inf"} 0'],
      ...['h_sum{success="true",type="Put"} 0', 'h_count{success="true",type="Put"} 0'],
    ],
  );
});

test("quotes, backslashes and line breaks are escaped: in help, without the quotes", () => {
  const awkward = 'a "b"\\c\nd';
  assert.equal(
    expose([gauge("g", awkward, [{ labels: { name: awkward }, value: 1 }])]),
    String.raw`# HELP g a "b"\\c\nd` + "\n# TYPE g gauge\n" + String.raw`g{name="a \"b\"\\c\nd"} 1` + "\n",
  );
});

test("NaN and infinities are written in the format's notation", () => {
  const values = [NaN, Infinity, -Infinity, 1e21, 1e-7, 0];
  const samples = values.map((value, place) => ({ labels: { place: String(place) }, value }));
  assert.deepEqual(
    samplesIn(expose([gauge("g", "", samples)])).map((line) => line.split(" ")[1]),
    ["NaN", "+Inf", "-Inf", "1e+21", "1e-7", "0"],
  );
});

test("a family without samples is omitted, as by etcd", () => {
  assert.equal(expose([counter("c_total", "A counter.", []), histogram("h", "A histogram.", [])]), "");
});

test("outcomes that never happened are omitted", () => {
  const durations = { success: new Histogram([1]), failure: new Histogram([1]) };
  durations.failure.observe(2);
  assert.deepEqual(
    outcomes(durations, { type: "Put" }).map(({ labels }) => labels),
    [{ type: "Put", success: "false" }],
  );
});
