import type { ProposalUser } from "../../proto/index.js";

/** The party that asks a member for something: a client of a gRPC engine, or a program in the same process. */
export interface Caller {
  /** Name of the user that the caller has proved to be; undefined: anonymous. */
  readonly principal: string | undefined;
  /** Common name of the certificate that the caller has presented, where `--client-cert-auth` makes it a user's. */
  readonly certificateName?: string | undefined;
  /** The user that the caller's changes are made as; absent: authentication is off, or it has not been asked for yet. */
  readonly user?: ProposalUser | undefined;
  /** The address and port that it connects from; absent: none, as on a unix socket or in the same process. */
  readonly remoteAddress?: string | undefined;
  /** Returns the first value of a metadata key, which is in lower case; undefined if absent. */
  metadata(key: string): string | undefined;
  /** Returns when the caller stops waiting, in Unix milliseconds; Infinity: never. */
  deadline(): number;
}

/** The end of a connection, as Node's sockets tell it. */
interface RemoteEnd {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}

/** Returns the address and port of the other end of a connection, as a caller tells it. */
export const remoteAddressOf = ({ remoteAddress: address, remotePort: port }: RemoteEnd): string | undefined => {
  if (address === undefined || port === undefined) return undefined;
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
};

/** A caller without a name, without metadata, and with all the time in the world. */
export const anonymousCaller: Caller = {
  principal: undefined,
  metadata: () => undefined,
  deadline: () => Infinity,
};
