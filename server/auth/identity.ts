import type { LogIndex } from "../../raft/index.js";

/** A user that a caller has proved to be. */
export interface Identity {
  readonly name: string;
  /** The revision of users, roles and permissions at which that holds. */
  readonly revision: bigint;
}

/** Makes and verifies the tokens by which users are known after they have logged in. */
export interface TokenSource {
  /** Returns the random beginning of a token; empty: tokens are not kept by the members. */
  newPrefix(): string;
  /** Gives a token to a user. With a prefix, called on every member with the same arguments. */
  assign(name: string, revision: bigint, prefix: string, index: LogIndex): string | Promise<string>;
  /** @returns the user of a token; undefined: the token is not valid */
  verify(token: string, currentRevision: bigint): Identity | undefined | Promise<Identity | undefined>;
  /** Makes the tokens of a user invalid, as far as the members keep tokens. */
  dropUser(name: string): void;
  /** Makes all tokens invalid, as far as the members keep tokens. */
  dropAll(): void;
}
