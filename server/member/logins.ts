// The parts of a member by which users log in, as its settings say.

import { randomInt } from "node:crypto";
import { JwtTokens, type Passwords, SimpleTokens, threadPasswords, type TokenSource } from "../auth/index.js";
import type { MemberConfig } from "../config/index.js";
import type { MemberEnvironment } from "./parts.js";

/** The parts of a member by which users log in. */
export interface Logins {
  readonly passwords: Passwords;
  readonly tokens: TokenSource;
}

/** Makes the parts for logins. @throws StartError for keys of JSON Web Tokens that cannot be used */
export const openLogins = async ({ auth }: MemberConfig, environment: MemberEnvironment): Promise<Logins> => {
  const { clock, secrets } = environment;
  const tokens =
    auth.tokens.kind === "jwt"
      ? await JwtTokens.open(auth.tokens, () => new Date().getTime()) // the end of a token is a time of day
      : new SimpleTokens({ ttlMs: auth.tokens.ttlMs, clock }, secrets?.randomBelow ?? ((bound) => randomInt(bound)));
  return { passwords: secrets?.passwords ?? threadPasswords(auth.bcryptCost), tokens };
};
