// JSON Web Tokens: the member that serves the login signs a token, and every member with the key can verify it.

import type * as Jose from "jose";
import { ServerError } from "../base/index.js";
import type { JwtSettings } from "../config/index.js";
import type { Identity, TokenSource } from "./identity.js";
import { type JwtKeys, readJwtKeys } from "./jwt-keys.js";

/** Bounds the cached verified tokens; beyond it, the oldest one is verified again at its next use. */
export const maxVerifiedTokens = 10_000;
/** The maximum length of a cached token; a longer one is verified at each use. */
const maxRememberedLength = 4_096;

interface VerifiedToken {
  readonly identity: Identity;
  /** Milliseconds since 1970; Infinity: the token does not expire. */
  readonly expiresAt: number;
}

/**
 * etcd's JSON Web Tokens: the name of a user, the auth revision of the login, and the second of the expiry. Members store no
 * tokens, and cache those that were verified. A token is stale after any change of users or roles.
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

  /** The number of cached tokens. */
  get size(): number {
    return this.verified.size;
  }

  createPrefix(): string {
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

  /** Answers synchronously for a cached token. */
  verify(token: string): Identity | undefined | Promise<Identity | undefined> {
    const known = this.verified.get(token);
    if (known === undefined) return this.verifyNew(token);
    if (this.now() < known.expiresAt) return known.identity;
    this.verified.delete(token);
    return undefined;
  }

  /** Does nothing: a token of a changed user is stale by its auth revision. */
  dropUser(): void {
    // tokens are not stored by user
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

  /** @returns the claims of a token with a valid signature and valid times */
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
