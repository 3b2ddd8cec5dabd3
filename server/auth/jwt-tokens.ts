// JSON Web Tokens: the member that is asked signs one, and every member with the key can verify it.

import type * as Jose from "jose";
import { ServerError } from "../base/index.js";
import type { JwtSettings } from "../config/index.js";
import type { Identity, TokenSource } from "./identity.js";
import { type JwtKeys, readJwtKeys } from "./jwt-keys.js";

/** Bounds the cached verified tokens; beyond it the oldest one is verified again at its next use. */
export const maxVerifiedTokens = 10_000;
/** Characters of a token that is remembered; a longer one is verified at each use. */
const maxRememberedLength = 4_096;

interface VerifiedToken {
  readonly identity: Identity;
  /** Milliseconds since 1970; infinite: the token has no end. */
  readonly expiresAt: number;
}

/**
 * etcd's JSON Web Tokens: a user's name, the revision of users and roles at the login, and the second in which the token ends.
 * Nothing is kept of them but which ones were found valid. After a change of users or roles all older ones are stale.
 */
export class JwtTokens implements TokenSource {
  private readonly verified = new Map<string, VerifiedToken>();

  private constructor(
    private readonly jose: typeof Jose,
    private readonly settings: JwtSettings,
    private readonly keys: JwtKeys,
    /** Returns milliseconds since 1970. */
    private readonly now: () => number,
  ) {}

  /** Reads the keys. @throws StartError if they cannot be used */
  static async open(settings: JwtSettings, now: () => number): Promise<JwtTokens> {
    const keys = readJwtKeys(settings);
    return new JwtTokens(await import("jose"), settings, keys, now);
  }

  /** The number of tokens that are known to be valid. */
  get size(): number {
    return this.verified.size;
  }

  newPrefix(): string {
    return "";
  }

  /** Signs a token. @throws ServerError `verify-only-key` if there is no private key */
  async assign(name: string, revision: bigint): Promise<string> {
    if (this.keys.signing === undefined) throw new ServerError("verify-only-key", "there is no private key");
    const { method, ttlMs } = this.settings;
    const exp = Math.floor((this.now() + ttlMs) / 1_000);
    return new this.jose.SignJWT({ exp, revision: Number(revision), username: name })
      .setProtectedHeader({ alg: method, typ: "JWT" })
      .sign(this.keys.signing);
  }

  /** Answers at once for a token that was verified before. */
  verify(token: string): Identity | undefined | Promise<Identity | undefined> {
    const known = this.verified.get(token);
    if (known === undefined) return this.verifyNew(token);
    if (this.now() < known.expiresAt) return known.identity;
    this.verified.delete(token);
    return undefined;
  }

  /** Does nothing: a token of a user that has changed is stale by its revision. */
  dropUser(): void {
    // nothing is kept by user
  }

  dropAll(): void {
    this.verified.clear();
  }

  private async verifyNew(token: string): Promise<Identity | undefined> {
    const payload = await this.payloadOf(token);
    const identity = payload && identityOf(payload);
    if (identity === undefined) return undefined;
    if (token.length <= maxRememberedLength)
      this.remember(token, { identity, expiresAt: (payload?.exp ?? Infinity) * 1_000 });
    return identity;
  }

  /** @returns the claims of a token whose signature and times are right */
  private async payloadOf(token: string): Promise<Jose.JWTPayload | undefined> {
    const { errors, jwtVerify } = this.jose;
    try {
      const options = { algorithms: [this.settings.method], currentDate: new Date(this.now()) };
      return (await jwtVerify(token, this.keys.verifying, options)).payload;
    } catch (error) {
      if (error instanceof errors.JOSEError) return undefined;
      throw error;
    }
  }

  private remember(token: string, verified: VerifiedToken): void {
    if (this.verified.size >= maxVerifiedTokens) {
      const [first] = this.verified.keys();
      if (first !== undefined) this.verified.delete(first);
    }
    this.verified.set(token, verified);
  }
}

/** @returns undefined if a claim is missing */
const identityOf = ({ username: name, revision }: Jose.JWTPayload): Identity | undefined =>
  typeof name === "string" && typeof revision === "number" && revision >= 0
    ? { name, revision: BigInt(Math.trunc(Math.min(revision, Number.MAX_SAFE_INTEGER))) }
    : undefined;
