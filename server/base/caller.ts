import type { ProposalUser } from "../../proto/index.js";

/** The caller of a request: a client of a gRPC engine or of the gateway, or code in the same process. */
export interface Caller {
  /** The common name of the client's certificate, if `--client-cert-auth` makes it the name of a user. */
  readonly certificateName?: string | undefined;
  /** The user for whom the caller's changes are proposed; absent: authentication is off, or the caller is not authenticated yet. */
  readonly user?: ProposalUser | undefined;
  /** The address and port of the client; absent: none, as on a unix socket or in the same process. */
  readonly remoteAddress?: string | undefined;
  /** Returns the first value of a metadata key, which is in lower case; undefined if absent. */
  metadata(key: string): string | undefined;
  /** Returns the deadline in Unix milliseconds; Infinity: none. */
  deadline(): number;
}

/** The remote end of a connection, by the names of Node's sockets. */
interface RemoteEnd {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}

/** Returns the address and port of the remote end of a connection, in the format of `Caller`. */
export const remoteAddressOf = ({ remoteAddress: address, remotePort: port }: RemoteEnd): string | undefined => {
  if (address === undefined || port === undefined) return undefined;
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
};

/** A caller without name, metadata and deadline. */
export const anonymousCaller: Caller = {
  metadata: () => undefined,
  deadline: () => Infinity,
};
