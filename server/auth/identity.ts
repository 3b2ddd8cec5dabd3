import type { LogIndex } from "../../raft/index.js";

/** The authenticated user of a caller. */
export interface Identity {
  readonly name: string;
  /** The auth revision of the authentication. */
  readonly revision: bigint;
}

/** Issues and verifies the tokens of users that have logged in. */
export interface TokenSource {
  /** Returns the random beginning of a token; empty: members do not store tokens. */
  createPrefix(): string;
  /** Issues a token for a user. Called on every member with the same arguments, if there is a prefix. */
  assign(name: string, revision: bigint, prefix: string, index: LogIndex): string | Promise<string>;
  /** @returns the user of a token; undefined: the token is invalid */
  verify(token: string, currentRevision: bigint): Identity | undefined | Promise<Identity | undefined>;
  /** Drops the tokens of a user, if members store tokens. */
  dropUser(name: string): void;
  /** Drops all tokens, if members store tokens. */
  dropAll(): void;
}
