import { noBytes } from "../base/index.js";
import type { Clock } from "../../platform/index.js";
import type { LogIndex } from "../../raft/index.js";
import type { AuthState } from "./auth-state.js";
import type { Identity, TokenSource } from "./identity.js";

/** The maximum number of tokens; beyond it, the least recently used tenth is dropped. */
export const maxTokens = 50_000;

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const prefixLetters = 16;

/** The options of `SimpleTokens`. */
export interface SimpleTokensOptions {
  /** The time after its last use at which a token expires, in milliseconds (etcd: `--auth-token-ttl`). */
  readonly ttlMs: number;
  readonly clock: Pick<Clock, "now">;
}

interface Token {
  /** The user, with the auth revision of the last use. */
  identity: Identity;
  expiresAt: number;
}

/**
 * etcd's simple tokens: 16 random letters, and the log index of the login. All members hold them in memory, each until it
 * expires there; a member loses them when it stops.
 */
export class SimpleTokens implements TokenSource {
  private readonly tokens = new Map<string, Token>();

  /** @param secret returns an unpredictable random integer in `[0, bound)` */
  constructor(
    private readonly options: SimpleTokensOptions,
    private readonly secret: (bound: number) => number,
  ) {}

  /** The number of stored tokens, including expired ones that were not used since. */
  get size(): number {
    return this.tokens.size;
  }

  createPrefix(): string {
    return Array.from({ length: prefixLetters }, () => letters[this.secret(letters.length)] ?? "").join("");
  }

  assign(name: string, revision: bigint, prefix: string, index: LogIndex): string {
    const token = `${prefix}.${index}`;
    if (this.tokens.size >= maxTokens) this.dropOldest();
    this.tokens.set(token, { identity: { name, revision }, expiresAt: this.expiry() });
    return token;
  }

  verify(token: string, currentRevision: bigint): Identity | undefined {
    const known = this.tokens.get(token);
    if (known === undefined) return undefined;
    if (known.expiresAt < this.options.clock.now()) {
      this.tokens.delete(token);
      return undefined;
    }
    known.expiresAt = this.expiry();
    if (known.identity.revision !== currentRevision)
      known.identity = { name: known.identity.name, revision: currentRevision };
    return known.identity;
  }

  dropUser(name: string): void {
    for (const [token, { identity }] of this.tokens) if (identity.name === name) this.tokens.delete(token);
  }

  dropAll(): void {
    this.tokens.clear();
  }

  private expiry(): number {
    return this.options.clock.now() + this.options.ttlMs;
  }

  private dropOldest(): void {
    const byExpiry = [...this.tokens].sort(([, a], [, b]) => a.expiresAt - b.expiresAt);
    for (const [token] of byExpiry.slice(0, maxTokens / 10)) this.tokens.delete(token);
  }
}

/** Returns the log index in a simple token; undefined: the token has none. */
export const indexOfToken = (token: string): number | undefined => {
  const [, index] = /^[^.]*\.(\d{1,16})$/.exec(token) ?? [];
  return index === undefined ? undefined : Number(index);
};

/** Drops the tokens of users that do not exist, or have another password, in a state that replaces the former one. */
export const dropReplacedTokens = (tokens: TokenSource, before: AuthState, after: AuthState): void => {
  if (!after.isEnabled) return tokens.dropAll();
  for (const name of before.userNames) {
    const [old, current] = [before.user(name), after.user(name)];
    if (current === undefined || Buffer.compare(old?.password ?? noBytes, current.password) !== 0)
      tokens.dropUser(name);
  }
};
