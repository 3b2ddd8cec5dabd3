// Builds the components of logins from the settings.

import { randomInt } from "node:crypto";
import { JwtTokens, type Passwords, SimpleTokens, threadPasswords, type TokenSource } from "../auth/index.js";
import type { MemberConfig } from "../config/index.js";
import type { MemberEnvironment } from "./parts.js";

/** The components of logins. */
export interface Logins {
  readonly passwords: Passwords;
  readonly tokens: TokenSource;
}

/** Creates the components of logins. @throws StartError if the keys of JSON Web Tokens cannot be used */
export const openLogins = async ({ auth }: MemberConfig, environment: MemberEnvironment): Promise<Logins> => {
  const { clock, secrets } = environment;
  const tokens =
    auth.tokens.kind === "jwt"
      ? await JwtTokens.open(auth.tokens, () => new Date().getTime()) // the expiry of a token is wall-clock time
      : new SimpleTokens({ ttlMs: auth.tokens.ttlMs, clock }, secrets?.randomBelow ?? ((bound) => randomInt(bound)));
  return { passwords: secrets?.passwords ?? threadPasswords(auth.bcryptCost), tokens };
};
