// Queries to the machine's DNS servers. The texts of errors are those of Go's resolver, as etcd shows them.
import { Resolver } from "node:dns/promises";
import { isIPv4, isIPv6 } from "node:net";

/** A service record, RFC 2782. */
export interface ServiceRecord {
  /** The host. Empty if the service does not exist: "." on the wire. */
  readonly name: string;
  readonly port: number;
  /** Hosts of the lowest priority are tried first. */
  readonly priority: number;
  /** The share of requests that this host gets among hosts of the same priority. */
  readonly weight: number;
}

/** The part of Node's `dns.promises.Resolver` that discovery needs. */
export interface NameResolver {
  readonly resolveSrv: (name: string) => Promise<readonly ServiceRecord[]>;
  /** Returns the addresses of the DNS servers; the port is 53 if an address has none. */
  readonly getServers: () => readonly string[];
}

/** Returns a resolver with the machine's settings. */
export const systemResolver = (): NameResolver => new Resolver();

/** An error for a failed lookup, with the text of Go's resolver. */
export class LookupError extends Error {
  override readonly name = "LookupError";
}

/** Go's texts for the codes of Node's resolver. */
const reasons: Readonly<Record<string, string>> = {
  ENOTFOUND: "no such host",
  ENODATA: "no such host",
  ETIMEOUT: "i/o timeout",
  ECONNREFUSED: "connection refused",
  ESERVFAIL: "server misbehaving",
  EREFUSED: "server misbehaving",
  ENOTIMP: "server misbehaving",
  EFORMERR: "server misbehaving",
  EBADRESP: "cannot unmarshal DNS message",
  EAI_AGAIN: "server misbehaving",
};

/** Converts an error of a resolver to a LookupError. @returns undefined for any other error */
export function lookupFailure(resolver: NameResolver, name: string, error: unknown): LookupError | undefined {
  if (!(error instanceof Error) || (error as NodeJS.ErrnoException).syscall === undefined) return undefined;
  const code = String((error as NodeJS.ErrnoException).code);
  const [server] = resolver.getServers();
  const place = server === undefined ? "" : ` on ${addPort(server)}`;
  return new LookupError(`lookup ${name}${place}: ${reasons[code] ?? code}`, { cause: error });
}

function addPort(server: string): string {
  if (isIPv6(server)) return `[${server}]:53`;
  return isIPv4(server) ? `${server}:53` : server;
}

const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i;
/** The most bytes of a name, without the dot at its end. */
const maxNameLength = 253;

/** Tells whether a name is valid in DNS; no query is sent for others. A name of digits and dots is invalid, as in Go: it could be an address. */
export function isDomainName(name: string): boolean {
  const relative = name.endsWith(".") ? name.slice(0, -1) : name;
  return (
    /[^\d.]/.test(relative) && relative.length <= maxNameLength && relative.split(".").every((part) => label.test(part))
  );
}
