// Finds the initial members by DNS. Services, names, errors and their order are etcd's: ids are computed from the URLs, and so
// must be the same.

import { type HostResolver, LookupError, lookUpHost, lookUpService } from "../../platform/dns/index.js";
import { formatAddress, type Logger, type MemberUrl, StartError } from "../base/index.js";
import type { DnsDiscovery, InitialMember } from "../config/index.js";

/** The searching member: its name, and the URLs by which it finds its own record. */
export interface Asker {
  readonly name: string;
  readonly peerUrls: readonly MemberUrl[];
}

/** The environment of a search. */
export interface SearchEnvironment {
  readonly resolver: HostResolver;
  /** Returns a uniform number in [0, 1): hosts of the same priority are in random order. */
  readonly random: () => number;
  readonly logger: Logger;
}

/** A member of one record: its name, or a number if it is another member, and its URL. */
interface DiscoveredMember {
  readonly name: string;
  readonly url: string;
}

/** The failure of one of the two services, with etcd's text. */
class ServiceError extends Error {
  override readonly name = "ServiceError";
}

/**
 * Looks up the members of a new cluster: the SRV records of `_etcd-server-ssl._tcp.<domain>`, which give https URLs, and of
 * `_etcd-server._tcp.<domain>`. The record with the address of one of the asker's URLs is the asker's; the others are numbered,
 * as DNS does not have their names. Members with the same number in both services are one member with two URLs.
 *
 * @throws StartError if there are no members, or if none is the asker
 */
export const discoverMembers = async (
  { domain, serviceName }: DnsDiscovery,
  asker: Asker,
  environment: SearchEnvironment,
): Promise<readonly InitialMember[]> => {
  const { logger } = environment;
  const end = serviceName === "" ? "" : `-${serviceName}`;
  const found = [
    await entriesOf({ scheme: "https", service: `etcd-server-ssl${end}`, domain }, asker, environment),
    await entriesOf({ scheme: "http", service: `etcd-server${end}`, domain }, asker, environment),
  ];
  const reasons = found.flatMap((each) => (typeof each === "string" ? [each] : [])).join("\n");
  const entries = found.flatMap((each) => (typeof each === "string" ? [] : each));
  if (reasons !== "") logger.warn("failed to resolve during SRV discovery", { error: reasons });
  if (entries.length === 0) throw new StartError(`error setting up initial cluster: ${reasons}`);
  for (const { name, url } of entries)
    logger.info("got bootstrap from DNS for etcd-server", { node: `${name}=${url}` });
  const members = membersOf(entries);
  if (!members.some(({ name }) => name === asker.name))
    throw new StartError(
      `error setting up initial cluster: cannot find local etcd member ${JSON.stringify(asker.name)} in SRV records`,
    );
  return members;
};

const membersOf = (entries: readonly DiscoveredMember[]): readonly InitialMember[] =>
  [...new Set(entries.map(({ name }) => name))].map((name) => ({
    name,
    peerUrls: entries
      .filter((entry) => entry.name === name)
      .map(({ url }) => url)
      .sort(),
  }));

interface Question {
  readonly scheme: "http" | "https";
  readonly service: string;
  readonly domain: string;
}

/** @returns the reason for an empty list */
const entriesOf = async (
  question: Question,
  asker: Asker,
  environment: SearchEnvironment,
): Promise<readonly DiscoveredMember[] | string> => {
  try {
    return await entriesNamed(question, await ownUrls(asker, environment.resolver), asker.name, environment);
  } catch (error) {
    if (error instanceof LookupError || error instanceof ServiceError) return error.message;
    throw error;
  }
};

/** Finds the asker's URLs by their addresses. URLs of unix sockets have no address in DNS. */
const ownUrls = async ({ peerUrls }: Asker, resolver: HostResolver): Promise<ReadonlyMap<string, MemberUrl>> => {
  const own = new Map<string, MemberUrl>();
  for (const url of peerUrls) {
    if (url.address.kind === "unix") continue;
    const host = await lookUpHost(resolver, url.address.host);
    own.set(formatAddress({ ...url.address, host }), url);
  }
  return own;
};

/** @throws ServiceError with the last failure, if no record can be used */
const entriesNamed = async (
  question: Question,
  own: ReadonlyMap<string, MemberUrl>,
  ownName: string,
  environment: SearchEnvironment,
): Promise<readonly DiscoveredMember[]> => {
  const { scheme, service } = question;
  const context = `error querying DNS SRV records for _${service}`;
  const entries: DiscoveredMember[] = [];
  let failure: string | undefined;
  let number = 0;
  for (const { name: host, port } of await recordsOf(context, question, environment)) {
    const address = await addressOf(host, environment.resolver);
    if (address instanceof LookupError) {
      failure = address.message;
      continue;
    }
    const self = own.get(formatAddress({ kind: "tcp", host: address, port }));
    const name = self === undefined ? String(number++) : ownName;
    const url = `${scheme}://${host}:${port}`;
    if (self === undefined || self.scheme === scheme) entries.push({ name, url });
    else failure = `bootstrap at ${url} from DNS for ${service} has scheme mismatch with expected peer ${self.text}`;
  }
  if (entries.length === 0 && failure !== undefined) throw new ServiceError(`${context} ${failure}`);
  return entries;
};

const recordsOf = async (context: string, { service, domain }: Question, { resolver, random }: SearchEnvironment) => {
  try {
    return await lookUpService(resolver, service, domain, random);
  } catch (error) {
    if (error instanceof LookupError) throw new ServiceError(`${context} ${error.message}`, { cause: error });
    throw error;
  }
};

/** Host names in records end with a dot, also in etcd's errors. */
const addressOf = async (host: string, resolver: HostResolver): Promise<string | LookupError> => {
  try {
    return await lookUpHost(resolver, host, `${host}.`);
  } catch (error) {
    if (error instanceof LookupError) return error;
    throw error;
  }
};
