// The text format of Prometheus, by prom-client. Loaded at the first scrape.

import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Histogram as Counts } from "../../platform/index.js";
import type { Family, HistogramSample, Labels } from "./family.js";

/** Writes families in the text format of Prometheus, version 0.0.4. */
export const expose = (families: readonly Family[]): Promise<string> => {
  const registry = new Registry();
  for (const family of families) addTo(registry, family);
  return registry.metrics();
};

const addTo = (registry: Registry, family: Family): void => {
  switch (family.type) {
    case "counter":
      return registry.registerMetric(new GivenCounter(family.name, family.help, mutable(family.samples)));
    case "gauge":
      return registry.registerMetric(new GivenGauge(family.name, family.help, mutable(family.samples)));
    case "histogram":
      return registry.registerMetric(
        new GivenHistogram(family.name, family.help, family.samples.flatMap(linesOf(family.name))),
      );
  }
};

/** A line of the format as prom-client takes it. */
interface Line {
  readonly labels: Record<string, string>;
  readonly value: number;
  readonly metricName?: string;
}

const mutable = (samples: readonly { readonly labels: Labels; readonly value: number }[]): Line[] =>
  samples.map(({ labels, value }) => ({ labels: labels, value }));

// prom-client counts in metrics of its own. These take their values as they are: members count in plain numbers.

class GivenCounter extends Counter {
  constructor(
    name: string,
    help: string,
    private readonly lines: Line[],
  ) {
    super({ name, help, registers: [] });
  }

  override async get() {
    return { ...(await super.get()), values: this.lines };
  }
}

class GivenGauge extends Gauge {
  constructor(
    name: string,
    help: string,
    private readonly lines: Line[],
  ) {
    super({ name, help, registers: [] });
  }

  override async get() {
    return { ...(await super.get()), values: this.lines };
  }
}

class GivenHistogram extends Histogram {
  private readonly given: { readonly name: string; readonly help: string };

  constructor(
    name: string,
    help: string,
    private readonly lines: readonly Line[],
  ) {
    super({ name, help, registers: [] });
    this.given = { name, help };
  }

  /** Called by the registry, and by `get`: the way on which prom-client 15 reads histograms, though without a type. */
  getForPromString() {
    return Promise.resolve({ ...this.given, type: "histogram", values: this.lines });
  }
}

const linesOf =
  (name: string) =>
  ({ labels, histogram }: HistogramSample): Line[] => {
    const { counts, bounds, sum } = histogram;
    let count = 0;
    const buckets = counts.map((more, position): Line => {
      count += more;
      return { metricName: `${name}_bucket`, labels: { ...labels, le: boundText(bounds[position]) }, value: count };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: sum },
      { metricName: `${name}_count`, labels, value: count },
    ];
  };

/** The text of a bound as Go writes it, so that buckets of etcd and of this member are the same. */
const boundText = (bound: Counts["bounds"][number] | undefined): string => {
  if (bound === undefined) return "+Inf";
  if (bound < 1e6) return String(bound);
  return bound.toExponential().replace(/e\+(\d)$/, "e+0$1");
};
