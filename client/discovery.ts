// Finds the endpoints of a cluster by a domain name.
import { LookupError, lookUpService, type NameResolver, systemResolver } from "../platform/dns/index.js";

export type { NameResolver };

/** Options of `discoverEndpoints`. */
export interface DiscoveryOptions {
  /** Distinguishes clusters of one domain: a suffix of the DNS service names, `_etcd-client-<serviceName>._tcp`. Default: none. */
  readonly serviceName?: string | undefined;
  /** Resolves DNS names. Default: Node's `dns.promises.Resolver`, with the DNS servers of the machine. */
  readonly resolver?: NameResolver | undefined;
}

/** The domain has no SRV record of either service. */
export class DiscoveryError extends Error {
  override readonly name = "DiscoveryError";
}

/**
 * Looks up the endpoints of a cluster in DNS, as etcd's clients do. The SRV records of `_etcd-client-ssl._tcp.<domain>` are
 * endpoints with TLS, which come first and begin with `https://`; the records of `_etcd-client._tcp.<domain>` begin with
 * `http://`.
 *
 * `new Client({ endpoints: await discoverEndpoints("example.com") })`
 *
 * @throws DiscoveryError if no record is found
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
