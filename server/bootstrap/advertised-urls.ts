// Compares the URLs that a member advertises with its URLs in the new cluster: a host name is equal to its address.

import { isIP } from "node:net";
import { type HostResolver, LookupError, lookUpHost } from "../../platform/dns/index.js";
import type { Clock } from "../../platform/index.js";
import { formatAddress, type Logger, type MemberUrl, parseMemberUrl } from "../base/index.js";
import type { InitialMember } from "../config/index.js";

/** The time limit for the lookup of all hosts, in milliseconds. */
const resolveTimeoutMs = 30_000;
const retryMs = 1_000;

/** The environment of a lookup. */
export interface LookupEnvironment {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Returns the difference between a member's URLs in its cluster and its advertised URLs, with etcd's text; undefined: none. */
export const differenceOf = async (
  { name, peerUrls }: InitialMember,
  advertisedUrls: readonly MemberUrl[],
  environment: LookupEnvironment,
  resolver: HostResolver,
): Promise<string | undefined> => {
  const advertised = advertisedUrls.map(({ text }) => text).sort();
  const reason = await mismatchOf(advertised, [...peerUrls].sort(), environment, resolver);
  if (reason === undefined) return undefined;
  const initialClusterOf = (urls: readonly string[]): string => urls.map((url) => `${name}=${url}`).join(",");
  const unadvertised = [...new Set(peerUrls)].filter((url) => !advertised.includes(url));
  if (unadvertised.length > 0)
    return (
      `--initial-cluster has ${initialClusterOf(unadvertised)} ` +
      `but missing from --initial-advertise-peer-urls=${advertised.join(",")} (${reason})`
    );
  const unknown = advertised.filter((url) => !peerUrls.includes(url));
  if (unknown.length > 0)
    return (
      `--initial-advertise-peer-urls has ${unknown.join(",")} ` +
      `but missing from --initial-cluster=${initialClusterOf(advertised)}`
    );
  return `failed to resolve ${advertised.join(",")} to match --initial-cluster=${initialClusterOf(advertised)} (${reason})`;
};

/** @returns the first difference, with the addresses of hosts if the texts differ; undefined: none */
const mismatchOf = async (
  a: readonly string[],
  b: readonly string[],
  environment: LookupEnvironment,
  resolver: HostResolver,
): Promise<string | undefined> => {
  if (a.length !== b.length) return `len(${list(a)}) != len(${list(b)})`;
  if (findDifference(a, b) === undefined) return undefined;
  const deadline = environment.clock.now() + resolveTimeoutMs;
  const resolved: string[][] = [];
  for (const urls of [a, b]) {
    const each: string[] = [];
    for (const url of urls) {
      const found = await resolve(parseMemberUrl(url), deadline, environment, resolver);
      if (found instanceof LookupError) return `failed to resolve ${JSON.stringify(url)} (${found.message})`;
      each.push(found);
    }
    resolved.push(each.sort());
  }
  const [ours = [], theirs = []] = resolved;
  const different = findDifference(ours, theirs);
  return different && `resolved urls: ${different.map((url) => JSON.stringify(url)).join(" != ")}`;
};

const list = (urls: readonly string[]): string => `[${urls.map((url) => JSON.stringify(url)).join(" ")}]`;

const findDifference = (a: readonly string[], b: readonly string[]): readonly string[] | undefined => {
  const at = a.findIndex((url, position) => url !== b[position]);
  return at < 0 ? undefined : [a[at] ?? "", b[at] ?? ""];
};

/** Returns the URL with the address of its host. `localhost` is not replaced, as in etcd: it has two addresses. */
const resolve = async (
  { text, scheme, address }: MemberUrl,
  deadline: number,
  { clock, logger }: LookupEnvironment,
  resolver: HostResolver,
): Promise<string | LookupError> => {
  if (address.kind === "unix" || address.host === "localhost") return text;
  for (;;) {
    try {
      const host = await lookUpHost(resolver, address.host);
      return `${scheme}://${formatAddress({ ...address, host })}`;
    } catch (error) {
      if (!(error instanceof LookupError)) throw error;
      logger.warn("failed to resolve URL Host", { url: text, error });
      if (isIP(address.host) !== 0 || clock.now() + retryMs >= deadline) return error;
    }
    await new Promise<void>((done) => void clock.after(retryMs, done));
  }
};
