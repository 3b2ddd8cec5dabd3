import type { Durations } from "../base/index.js";
import type { Histogram } from "../../platform/index.js";

/** Names and values that tell the samples of a family apart. */
export type Labels = Readonly<Record<string, string>>;

/** A number with its labels. */
export interface NumberSample {
  readonly labels: Labels;
  readonly value: number;
}

/** A histogram with its labels. */
export interface HistogramSample {
  readonly labels: Labels;
  readonly histogram: Histogram;
}

/** Samples under one name, as a scrape finds them. */
export type Family =
  | {
      readonly type: "counter" | "gauge";
      readonly name: string;
      readonly help: string;
      readonly samples: readonly NumberSample[];
    }
  | {
      readonly type: "histogram";
      readonly name: string;
      readonly help: string;
      readonly samples: readonly HistogramSample[];
    };

const noLabels: Labels = {};

/** A number that only grows; or several, each with its labels. */
export const counter = (name: string, help: string, value: number | readonly NumberSample[]): Family => ({
  type: "counter",
  name,
  help,
  samples: samplesOf(value),
});

/** A number that grows and falls; or several, each with its labels. */
export const gauge = (name: string, help: string, value: number | readonly NumberSample[]): Family => ({
  type: "gauge",
  name,
  help,
  samples: samplesOf(value),
});

/** A gauge that says something with its labels alone: its value is 1. */
export const info = (name: string, help: string, labels: Labels): Family => gauge(name, help, [{ labels, value: 1 }]);

/** A distribution; or several, each with its labels. */
export const histogram = (name: string, help: string, value: Histogram | readonly HistogramSample[]): Family => ({
  type: "histogram",
  name,
  help,
  samples: "counts" in value ? [{ labels: noLabels, histogram: value }] : value,
});

/** Durations with a label that says whether the work succeeded; those that never happened are left out, as in etcd. */
export const outcomes = ({ success, failure }: Durations, labels: Labels = noLabels): readonly HistogramSample[] =>
  [
    { labels: { ...labels, success: "true" }, histogram: success },
    { labels: { ...labels, success: "false" }, histogram: failure },
  ].filter((sample) => sample.histogram.counts.some((count) => count > 0));

const samplesOf = (value: number | readonly NumberSample[]): readonly NumberSample[] =>
  typeof value === "number" ? [{ labels: noLabels, value }] : value;
