import type { IncomingHttpHeaders } from "node:http";
import type { ReportedVersions } from "../base/index.js";
import { type HealthParts, healthPages } from "./health.js";
import { metricsPage } from "./metrics-page.js";
import { type Page, type PageHandler, textPage } from "./page.js";

/** The components that the pages show. */
export interface PagesParts extends HealthParts {
  readonly versions: ReportedVersions;
  readonly numbers: NumberSources;
}

/** Provides the numbers of a member. */
export interface NumberSources {
  /** Returns all metrics in the text format of Prometheus. */
  readMetrics(): Promise<string>;
  /** Returns the variables of `/debug/vars`. */
  readVariables(): Readonly<Record<string, unknown>>;
}

/** Answers a request for a page; never rejects. */
export type Pages = (method: string, url: string, headers?: IncomingHttpHeaders) => Page | Promise<Page>;

/** Builds the pages that a member serves over HTTP/1.1, as etcd does on its client port. */
export const createPages = (parts: PagesParts): Pages => {
  const version = versionPage(parts.versions);
  const handlers = new Map<string, PageHandler>([
    ...healthPages(parts),
    ["/version", () => version],
    ["/debug/vars", () => variablesPage(parts.numbers)],
  ]);
  return (method, url, headers = {}) => {
    if (method === "OPTIONS") return { status: 200, body: "" };
    const [path = "", ...query] = url.split("?");
    if (path === "/metrics") return metricsPage(() => parts.numbers.readMetrics(), headers); // any method
    const handler = handlers.get(path);
    if (handler === undefined) return textPage(404, "404 page not found");
    if (method !== "GET") return textPage(405, "Method Not Allowed", { Allow: "GET" });
    return handler(new URLSearchParams(query.join("?")));
  };
};

/** Formats variables as Go's `expvar` does: one per line. */
const variablesPage = (numbers: NumberSources): Page => {
  const lines = Object.entries(numbers.readVariables()).map(
    ([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`,
  );
  return { status: 200, contentType: "application/json; charset=utf-8", body: `{\n${lines.join(",\n")}\n}\n` };
};

const versionPage = ({ server, cluster, storage }: ReportedVersions): Page => ({
  status: 200,
  contentType: "application/json",
  body: JSON.stringify({ etcdserver: server, etcdcluster: cluster, storage }),
});
