// The endpoints of a cluster, found by the name of its domain.
import { LookupError, lookUpService, type NameResolver, systemResolver } from "../platform/dns/index.js";

export type { NameResolver };

export interface DiscoveryOptions {
  /** Tells clusters of one domain apart: the end of their services' names, `_etcd-client-<serviceName>._tcp`. Default: none. */
  readonly serviceName?: string | undefined;
  /** Asks DNS. Default: a `dns.promises.Resolver` of Node's, with the servers of the machine. */
  readonly resolver?: NameResolver | undefined;
}

/** Neither of the two services of a domain has been found. */
export class DiscoveryError extends Error {
  override readonly name = "DiscoveryError";
}

/**
 * Looks up the endpoints of a cluster in DNS, as etcd's clients do: the SRV records of `_etcd-client-ssl._tcp.<domain>` name those that
 * speak TLS, which come first and begin with `https://`; those of `_etcd-client._tcp.<domain>` begin with `http://`.
 *
 * `new Client({ endpoints: await discoverEndpoints("example.com") })`
 *
 * @throws DiscoveryError if neither is found
 */
export async function discoverEndpoints(
  domain: string,
  { serviceName = "", resolver = systemResolver() }: DiscoveryOptions = {},
): Promise<readonly string[]> {
  const suffix = serviceName === "" ? "" : `-${serviceName}`;
  const [secure, plain] = await Promise.all([
    endpointsOf(resolver, `etcd-client-ssl${suffix}`, domain, "https"),
    endpointsOf(resolver, `etcd-client${suffix}`, domain, "http"),
  ]);
  if (secure instanceof LookupError && plain instanceof LookupError)
    throw new DiscoveryError(`dns lookup errors: ${secure.message} and ${plain.message}`, { cause: secure });
  return [secure, plain].flatMap((found) => (found instanceof LookupError ? [] : found));
}

async function endpointsOf(
  resolver: NameResolver,
  service: string,
  domain: string,
  scheme: string,
): Promise<readonly string[] | LookupError> {
  try {
    const records = await lookUpService(resolver, service, domain, Math.random);
    return records.map(({ name, port }) => `${scheme}://${name}:${port}`);
  } catch (error) {
    if (error instanceof LookupError) return error;
    throw error;
  }
}
