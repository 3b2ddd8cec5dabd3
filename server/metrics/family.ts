import type { Durations } from "../base/index.js";
import type { Histogram } from "../../platform/index.js";

/** The names and values that distinguish the samples of a family. */
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

/** The samples with one name, at one scrape. */
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

/** Returns a number that only grows; or several, each with its labels. */
export const counter = (name: string, help: string, value: number | readonly NumberSample[]): Family => ({
  type: "counter",
  name,
  help,
  samples: samplesOf(value),
});

/** Returns a number that grows and falls; or several, each with its labels. */
export const gauge = (name: string, help: string, value: number | readonly NumberSample[]): Family => ({
  type: "gauge",
  name,
  help,
  samples: samplesOf(value),
});

/** Returns a gauge whose labels are the information: its value is 1. */
export const info = (name: string, help: string, labels: Labels): Family => gauge(name, help, [{ labels, value: 1 }]);

/** Returns a distribution; or several, each with its labels. */
export const histogram = (name: string, help: string, value: Histogram | readonly HistogramSample[]): Family => ({
  type: "histogram",
  name,
  help,
  samples: "counts" in value ? [{ labels: noLabels, histogram: value }] : value,
});

/** Returns durations with a label for success; empty ones are omitted, as in etcd. */
export const outcomes = ({ success, failure }: Durations, labels: Labels = noLabels): readonly HistogramSample[] =>
  [
    { labels: { ...labels, success: "true" }, histogram: success },
    { labels: { ...labels, success: "false" }, histogram: failure },
  ].filter((sample) => sample.histogram.counts.some((count) => count > 0));

const samplesOf = (value: number | readonly NumberSample[]): readonly NumberSample[] =>
  typeof value === "number" ? [{ labels: noLabels, value }] : value;
