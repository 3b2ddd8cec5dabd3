// An HTML page with tables and charts. Chart.js is part of the page, so that it opens without a network.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, platform, release } from "node:os";
import { dirname, join } from "node:path";

/** The folder of pages and profiles, in the working directory. */
export const resultFolder = "bench-results";

/** A chart of series over the same labels. */
export interface Chart {
  readonly kind: "chart";
  readonly title: string;
  readonly type: "bar" | "line";
  readonly labels: readonly string[];
  readonly series: readonly { readonly label: string; readonly values: readonly (number | undefined)[] }[];
  readonly logarithmic: boolean;
}

/** A part of a page. */
export type PagePart =
  | Chart
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "table"; readonly head: readonly string[]; readonly rows: readonly (readonly string[])[] };

/** Returns a table for a page. */
export const table = (head: readonly string[], rows: readonly (readonly string[])[]): PagePart => ({
  kind: "table",
  head,
  rows,
});

/** Returns the machine and the version of Node, in two lines. */
export const machineText = (): string => {
  const [processor] = cpus();
  return (
    `${processor?.model.trim() ?? "unknown processor"}, ${cpus().length} cores\n` +
    `${platform()} ${release()}, Node ${process.version}\n`
  );
};

/** Escapes text for HTML. */
export const escapeHtml = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");

/** Writes a page into the folder of results, and prints its path. */
export const writePage = (name: string, title: string, parts: readonly PagePart[]): void => {
  const charts = parts.filter((part) => part.kind === "chart");
  const body = parts.map((part) => htmlOf(part, charts)).join("\n");
  writeResult(
    name,
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title)}</title><style>${style}</style></head>
<body><h1>${escapeHtml(title)}</h1><pre>${escapeHtml(machineText())}</pre>
${body}
<script>${chartLibrary()}</script>
<script>for (const { canvas, config } of ${scriptJson(charts.map(configOf))}) new Chart(document.getElementById(canvas), config);</script>
</body></html>
`,
  );
};

/** Writes a file into the folder of results, and prints its path. */
export const writeResult = (name: string, text: string): void => {
  mkdirSync(resultFolder, { recursive: true });
  const path = join(resultFolder, name);
  writeFileSync(path, text);
  console.log(`${path}: open it in a browser; it needs no network.`);
};

/** Returns JSON for a script element: escaped, so that no text in it ends the element. */
export const scriptJson = (value: unknown): string => JSON.stringify(value).replaceAll("<", "\\u003c");

const style = `body { font-family: sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse; margin: 1em 0 } td, th { padding: .2em .8em; text-align: right; border-bottom: 1px solid #ddd }
td:first-child, td:nth-child(2) { text-align: left } figure { margin: 2em 0 }`;

const htmlOf = (part: PagePart, charts: readonly Chart[]): string => {
  switch (part.kind) {
    case "text":
      return `<p>${escapeHtml(part.text)}</p>`;
    case "chart":
      return `<figure><canvas id="${canvasOf(charts.indexOf(part))}" height="90"></canvas></figure>`;
    case "table": {
      const rowOf = (cells: readonly string[], tag: string): string =>
        `<tr>${cells.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join("")}</tr>`;
      return `<table>${rowOf(part.head, "th")}${part.rows.map((row) => rowOf(row, "td")).join("")}</table>`;
    }
  }
};

const canvasOf = (n: number): string => `chart-${n}`;
const colours = ["#2f6fb0", "#d9822b", "#4a9c5d", "#a14fa1", "#b03a3a", "#6b6b6b"];

/** Returns the configuration of a chart for Chart.js. */
const configOf = ({ title, type, labels, series, logarithmic }: Chart, n: number) => ({
  canvas: canvasOf(n),
  config: {
    type,
    data: {
      labels,
      datasets: series.map(({ label, values }, at) => ({
        ...{ label, data: values.map((value) => value ?? null) },
        ...{ backgroundColor: colours[at % colours.length], borderColor: colours[at % colours.length] },
      })),
    },
    options: {
      ...{ animation: false, spanGaps: true },
      plugins: { title: { display: true, text: title } },
      scales: { y: logarithmic ? { type: "logarithmic" } : { beginAtZero: true } },
    },
  },
});

const chartLibrary = (): string => {
  const entry = createRequire(import.meta.url).resolve("chart.js");
  return readFileSync(join(dirname(entry), "chart.umd.min.js"), "utf8");
};
