import { type Page, textPage } from "./page.js";

/** The hosts under whose names a member is asked over HTTP, and the origins whose pages may read its answers. */
export interface AccessRules {
  /** Origins as browsers send them (etcd: `--cors`); none, or `*`: all. */
  readonly origins: readonly string[];
  /** Names of hosts (etcd: `--host-whitelist`); none, or `*`: all. */
  readonly hosts: readonly string[];
}

/** Rules that let everybody in. */
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
 * Refuses a request that was sent to another host. A page of a browser can have its own host's name resolve to a member's address; the
 * name that it then sends gives it away (DNS rebinding, CVE-2018-5702).
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
