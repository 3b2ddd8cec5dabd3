// The addresses of hosts, by the machine's resolver: usually /etc/hosts first, then DNS.
import { lookup, Resolver } from "node:dns/promises";
import { isIP, SocketAddress } from "node:net";
import { isDomainName, LookupError, lookupFailure, type NameResolver } from "./resolver.js";

/** A resolver that also knows the addresses of hosts. */
export interface HostResolver extends NameResolver {
  /** Returns an address of a host, of IPv4 if it has one; rejects as `dns.promises.lookup` does. */
  readonly lookupHost: (host: string) => Promise<string>;
}

/** Returns a resolver with the machine's settings. */
export const systemHosts = (): HostResolver => new SystemHosts();

class SystemHosts extends Resolver implements HostResolver {
  async lookupHost(host: string): Promise<string> {
    const { address } = await lookup(host, { order: "ipv4first" });
    return address;
  }
}

/**
 * Looks up the address of a host; an IP address is returned in its shortest form.
 *
 * @param shown the host's name in errors
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
