import { isIP } from "node:net";
import { socketPathProblem } from "../../proto/index.js";

/** The address of a socket: a TCP host and port, or the path of a unix socket. */
export type Address =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

/** An address, and whether it uses TLS. */
export type PortAddress = Address & { readonly isSecure?: boolean };

/** A URL of etcd's flags: the text (from which ids are computed) and the address. */
export interface MemberUrl {
  readonly text: string;
  readonly scheme: "http" | "https" | "unix" | "unixs";
  readonly address: Address;
}

/** A URL that etcd refuses; the message is etcd's. */
export class UrlError extends Error {
  override readonly name = "UrlError";
}

const pattern = /^([a-z]+):\/\/([^/?#]*)([^?#]*)(.*)$/;

/**
 * Parses one URL of a listen or advertise flag.
 *
 * @throws UrlError with the text of etcd's flag parser
 */
export const parseMemberUrl = (text: string): MemberUrl => {
  const match = pattern.exec(text.trim());
  const scheme = match?.[1] ?? "";
  const host = match?.[2] ?? "";
  const path = match?.[3] ?? "";
  if (scheme !== "http" && scheme !== "https" && scheme !== "unix" && scheme !== "unixs")
    throw new UrlError(`URL scheme must be http, https, unix, or unixs: ${text}`);
  if (scheme === "unix" || scheme === "unixs") {
    if (host + path === "") throw new UrlError(`URL must name the path of a socket: ${text}`);
    return { text: text.trim(), scheme, address: { kind: "unix", path: host + path } };
  }
  if (path !== "" || match?.[4] !== "") throw new UrlError(`URL must not contain a path: ${text}`);
  return { text: text.trim(), scheme, address: { kind: "tcp", ...parseHostAndPort(host, text) } };
};

const parseHostAndPort = (host: string, url: string): { host: string; port: number } => {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(host);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) throw new UrlError(`URL address does not have the form "host:port": ${url}`);
  return { host: match[1] ?? match[2] ?? "", port };
};

/** Parses a comma-separated list of URLs. */
export const parseMemberUrls = (list: string): MemberUrl[] => list.split(",").map(parseMemberUrl);

/** Checks a listen URL: an address of this machine, which is an IP or `localhost`. */
export const mustBeBindable = (url: MemberUrl): MemberUrl => {
  const { address } = url;
  if (address.kind === "tcp" && address.host !== "localhost" && isIP(address.host) === 0)
    throw new UrlError(`expected IP in URL for binding (${url.text})`);
  return url;
};

/** Checks the URL of a member: an address that others can connect to. */
export const mustBeConnectable = (url: MemberUrl): MemberUrl => {
  const problem = url.address.kind === "unix" ? socketPathProblem(url.address.path) : undefined;
  if (problem !== undefined) throw new UrlError(`cannot connect to ${url.text}: ${problem}`);
  return url;
};

/** Whether only this machine can reach the address. */
export const isLoopback = (address: Address): boolean =>
  address.kind === "unix" || address.host === "localhost" || address.host === "::1" || address.host.startsWith("127.");

/** Returns the addresses to bind for one listen address: `localhost` is both 127.0.0.1 and ::1. */
export const bindAddresses = (address: Address): Address[] =>
  address.kind === "tcp" && address.host === "localhost"
    ? [
        { ...address, host: "127.0.0.1" },
        { ...address, host: "::1" },
      ]
    : [address];

/** Formats an address for people and logs. */
export const formatAddress = (address: Address): string => {
  if (address.kind === "unix") return address.path;
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
};
