// The hosts of a service, by its SRV records.
import { isDomainName, LookupError, lookupFailure, type NameResolver, type ServiceRecord } from "./resolver.js";

/**
 * Looks up the hosts of a service over TCP, in the order in which to try them.
 *
 * @param service for example `etcd-client`: the records of `_etcd-client._tcp.<domain>` are looked up
 * @param random uniform in [0, 1)
 * @throws LookupError if there are none, or a record has an invalid host name
 */
export async function lookUpService(
  resolver: NameResolver,
  service: string,
  domain: string,
  random: () => number,
): Promise<readonly ServiceRecord[]> {
  const name = `_${service}._tcp.${domain}`;
  if (!isDomainName(name)) throw new LookupError(`lookup ${name}: no such host`);
  const records = await resolveService(resolver, name);
  // A record without a host says that the service is not there (RFC 2782); etcd would connect to port 0.
  const hosts = records.filter(({ name: host }) => host !== "");
  if (hosts.length === 0) throw new LookupError(`lookup ${name}: no such host`);
  if (!hosts.every(({ name: host }) => isDomainName(host)))
    throw new LookupError(`lookup ${domain}: DNS response contained records which contain invalid names`);
  return sortByPriority(hosts, random);
}

async function resolveService(resolver: NameResolver, name: string): Promise<readonly ServiceRecord[]> {
  try {
    return await resolver.resolveSrv(name);
  } catch (error) {
    throw lookupFailure(resolver, name, error) ?? error;
  }
}

/** Sorts by priority, the lowest first; within a priority at random, with probabilities proportional to the weights. RFC 2782. */
export function sortByPriority(records: readonly ServiceRecord[], random: () => number): ServiceRecord[] {
  const priorities = [...new Set(records.map(({ priority }) => priority))].sort((a, b) => a - b);
  return priorities.flatMap((each) =>
    shuffleByWeight(
      records.filter(({ priority }) => priority === each),
      random,
    ),
  );
}

function shuffleByWeight(records: readonly ServiceRecord[], random: () => number): ServiceRecord[] {
  const left = [...records];
  const chosen: ServiceRecord[] = [];
  while (left.length > 0) {
    const sum = left.reduce((total, { weight }) => total + weight, 0);
    let rest = random() * sum;
    const at = left.findIndex(({ weight }) => (rest -= weight) < 0);
    chosen.push(...left.splice(Math.max(at, 0), 1));
  }
  return chosen;
}
