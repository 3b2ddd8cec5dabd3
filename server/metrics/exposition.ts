// The text format of Prometheus, version 0.0.4. A scrape has some 1,600 lines, in which only the numbers change: the texts of
// labels and bounds are cached for as long as their objects live.

import type { Family, HistogramSample, Labels } from "./family.js";

/**
 * Formats families in the text format of Prometheus, version 0.0.4, each with its help and type. Labels are sorted by name and
 * a family without samples is omitted, as in Go's library.
 */
export const expose = (families: readonly Family[]): string => {
  let text = "";
  for (const family of families) {
    if (family.samples.length === 0) continue;
    const { name, help, type } = family;
    text += `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`;
    if (type === "histogram") for (const sample of family.samples) text += histogramLines(name, sample);
    else for (const { labels, value } of family.samples) text += `${name}${labelsText(labels)} ${valueText(value)}\n`;
  }
  return text;
};

const histogramLines = (name: string, { labels, histogram }: HistogramSample): string => {
  const { counts, bounds, sum } = histogram;
  const given = labelsText(labels);
  const before = given === "" ? `${name}_bucket{le="` : `${name}_bucket${given.slice(0, -1)},le="`;
  const limits = boundTexts(bounds);
  let text = "";
  let count = 0;
  for (const [position, more] of counts.entries()) {
    count += more;
    text += `${before}${limits[position] ?? ""}"} ${count}\n`;
  }
  return `${text}${name}_sum${given} ${valueText(sum)}\n${name}_count${given} ${count}\n`;
};

const keptLabels = new WeakMap<Labels, string>();

/** Formats labels in braces; without labels, an empty text. */
const labelsText = (labels: Labels): string => {
  const kept = keptLabels.get(labels);
  if (kept !== undefined) return kept;
  const pairs = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  const text = pairs.map(([name, value]) => `${name}="${escapeLabel(value)}"`).join(",");
  const braced = text === "" ? "" : `{${text}}`;
  keptLabels.set(labels, braced);
  return braced;
};

const keptBounds = new WeakMap<readonly number[], readonly string[]>();

/** Returns the texts of the bounds, and of the infinite one. */
const boundTexts = (bounds: readonly number[]): readonly string[] => {
  const kept = keptBounds.get(bounds);
  if (kept !== undefined) return kept;
  const texts = [...bounds.map(boundText), "+Inf"];
  keptBounds.set(bounds, texts);
  return texts;
};

/** Formats a bound as Go does: the text is a label, so another text of the same number would be another bucket than etcd's. */
const boundText = (bound: number): string =>
  bound === 0 || (bound >= 1e-4 && bound < 1e6)
    ? String(bound)
    : bound.toExponential().replace(/e([+-])(\d)$/, "e$10$2");

const valueText = (value: number): string => {
  if (value === Infinity) return "+Inf";
  if (value === -Infinity) return "-Inf";
  return String(value); // NaN, and numbers in a format that Go's parser accepts
};

const escapeHelp = (help: string): string => help.replaceAll("\\", String.raw`\\`).replaceAll("\n", String.raw`\n`);

const escapeLabel = (value: string): string => escapeHelp(value).replaceAll('"', String.raw`\"`);
