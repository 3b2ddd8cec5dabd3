// Questions to DNS, answered by the servers that the machine is set up with; failures read as those of Go's programs.
import { Resolver } from "node:dns/promises";
import { isIPv4, isIPv6 } from "node:net";

/** A service record, RFC 2782. */
export interface ServiceRecord {
  /** The host; "." of the wire, for a service that is not there, is empty. */
  readonly name: string;
  readonly port: number;
  /** Hosts of the lowest priority are tried first. */
  readonly priority: number;
  /** Share of a host among those of one priority. */
  readonly weight: number;
}

/** The part of Node's `dns.promises.Resolver` that discovery needs. */
export interface NameResolver {
  readonly resolveSrv: (name: string) => Promise<readonly ServiceRecord[]>;
  /** Addresses of the servers that are asked; those without a port are asked at 53. */
  readonly getServers: () => readonly string[];
}

/** Makes a resolver that asks as the machine is set up. */
export const systemResolver = (): NameResolver => new Resolver();

/** A lookup that failed, in the words of Go's resolver. */
export class LookupError extends Error {
  override readonly name = "LookupError";
}

/** Go's words for the codes of Node's resolver. */
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

/** @returns undefined if the error is none of a resolver */
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
/** Bytes of a name, without the dot at its end. */
const maxNameLength = 253;

/** Whether a name can stand in DNS; those that cannot are not asked for. As in Go, one of numbers alone cannot: it looks like an address. */
export function isDomainName(name: string): boolean {
  const relative = name.endsWith(".") ? name.slice(0, -1) : name;
  return (
    /[^\d.]/.test(relative) && relative.length <= maxNameLength && relative.split(".").every((part) => label.test(part))
  );
}
