// The addresses of hosts, found as other programs of the machine find them: in its list of hosts, then in DNS.
import { lookup, Resolver } from "node:dns/promises";
import { isIP, SocketAddress } from "node:net";
import { isDomainName, LookupError, lookupFailure, type NameResolver } from "./resolver.js";

/** A resolver that also knows the addresses of hosts. */
export interface HostResolver extends NameResolver {
  /** Returns an address of a host, of IPv4 if it has one; rejects as `dns.promises.lookup` does. */
  readonly lookupHost: (host: string) => Promise<string>;
}

/** Makes a resolver that finds hosts as the machine is set up. */
export const systemHosts = (): HostResolver => new SystemHosts();

class SystemHosts extends Resolver implements HostResolver {
  async lookupHost(host: string): Promise<string> {
    const { address } = await lookup(host, { order: "ipv4first" });
    return address;
  }
}

/**
 * Looks up the address of a host; one that is an address already is returned in its shortest form.
 *
 * @param shown the host as a failure names it
 * @throws LookupError if there is none
 */
export async function lookUpHost(resolver: HostResolver, host: string, shown = host): Promise<string> {
  const version = isIP(host);
  if (version === 4) return host;
  if (version === 6) return new SocketAddress({ address: host, family: "ipv6" }).address;
  if (!isDomainName(host)) throw new LookupError(`lookup ${shown}: no such host`);
  try {
    return await resolver.lookupHost(host);
  } catch (error) {
    throw lookupFailure(resolver, shown, error) ?? error;
  }
}
