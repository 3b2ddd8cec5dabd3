import { type Page, textPage } from "./page.js";

/** The host names under which a member is served over HTTP, and the origins whose pages may read its answers. */
export interface AccessRules {
  /** Allowed origins, in the form of the field `Origin` (etcd: `--cors`); none, or `*`: all. */
  readonly origins: readonly string[];
  /** Allowed host names (etcd: `--host-whitelist`); none, or `*`: all. */
  readonly hosts: readonly string[];
}

/** Rules that allow everything. */
export const openAccess: AccessRules = { origins: [], hosts: [] };

const isOpen = (names: readonly string[]): boolean => names.length === 0 || names.includes("*");

/** Returns the header fields that tell a browser whether a page of this origin may read the answer. */
export const originFields = ({ origins }: AccessRules, origin = ""): Readonly<Record<string, string>> => {
  if (isOpen(origins)) return corsHeadersOf("*");
  return origins.includes(origin) ? corsHeadersOf(origin) : {};
};

const corsHeadersOf = (origin: string): Readonly<Record<string, string>> => ({
  "Access-Control-Allow-Headers": "accept, content-type, authorization",
  "Access-Control-Allow-Methods": "POST, GET, OPTIONS, PUT, DELETE",
  "Access-Control-Allow-Origin": origin,
});

/**
 * Refuses a request for another host. A web page can have the name of its own host resolve to a member's address; the field
 * `Host` then has that name (DNS rebinding, CVE-2018-5702).
 */
export const hostRefusal = ({ hosts }: AccessRules, hostField = ""): Page | undefined => {
  const host = /^\[(.*)\]:\d*$/.exec(hostField)?.[1] ?? /^([^:]*):\d*$/.exec(hostField)?.[1] ?? hostField;
  if (isOpen(hosts) || hosts.includes(host)) return undefined;
  return textPage(421, hostProblem(host));
};

/** etcd's text. */
const hostProblem = (host: string): string => `
etcd received your request, but the Host header was unrecognized.

To fix this, choose one of the following options:
- Enable TLS, then any HTTPS request will be allowed.
- Add the hostname you want to use to the whitelist in settings.
  - e.g. etcd --host-whitelist ${JSON.stringify(host)}

This requirement has been added to help prevent "DNS Rebinding" attacks (CVE-2018-5702).
`;
