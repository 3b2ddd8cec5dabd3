// The flags for users: the kind of their tokens, and the cost of their passwords.

import { StartError } from "../base/index.js";
import { durationMs, FlagValueError } from "./flag-values.js";
import { readNumber } from "./read-flag.js";

/** The signing methods of JSON Web Tokens that etcd accepts. */
export const jwtMethods = [
  ...(["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] as const),
  ...(["ES256", "ES384", "ES512", "HS256", "HS384", "HS512", "EdDSA"] as const),
] as const;

/** A signing method of JSON Web Tokens. */
export type JwtMethod = (typeof jwtMethods)[number];

/** The settings of JSON Web Tokens (etcd: `--auth-token=jwt,…`). */
export interface JwtSettings {
  readonly kind: "jwt";
  readonly method: JwtMethod;
  /** A PEM file. Without a private key, the member verifies tokens and issues none. */
  readonly publicKeyFile: string | undefined;
  /** A PEM file; for the methods HS…, the secret itself. */
  readonly privateKeyFile: string | undefined;
  readonly ttlMs: number;
}

/** The settings of tokens that the members hold in memory. */
export interface SimpleTokenSettings {
  readonly kind: "simple";
  /** The time after the last use until the expiry, in milliseconds (etcd: `--auth-token-ttl`). */
  readonly ttlMs: number;
}

/** The settings for users. */
export interface AuthSettings {
  readonly tokens: SimpleTokenSettings | JwtSettings;
  /** The logarithm of the number of bcrypt rounds. */
  readonly bcryptCost: number;
}

/** The flags of `minietcd` for users, as text. */
export interface AuthFlags {
  readonly authToken: string;
  readonly authTokenTtl: string;
  readonly bcryptCost: string;
}

/** etcd's defaults. */
export const defaultAuthFlags: AuthFlags = { authToken: "simple", authTokenTtl: "300", bcryptCost: "10" };

const leastBcryptCost = 4;
const mostBcryptCost = 31;
const defaultJwtTtlMs = 5 * 60_000;
const jwtOptions = ["sign-method", "pub-key", "priv-key", "ttl"];

/** Reads the settings of users and tokens from flags. @throws FlagError, StartError with etcd's texts */
export const readAuthSettings = (flags: AuthFlags): AuthSettings => {
  // 0 means the default, as in etcd.
  const ttlSeconds = readNumber("auth-token-ttl", "uint", flags.authTokenTtl) || Number(defaultAuthFlags.authTokenTtl);
  const { kind, options } = parseToken(flags.authToken);
  return {
    tokens: kind === "jwt" ? readJwt(options) : { kind, ttlMs: ttlSeconds * 1_000 },
    bcryptCost: bcryptCost(flags.bcryptCost),
  };
};

/** Returns a warning about options of `--auth-token` without effect; undefined: there are none, or the value is malformed. */
export const authTokenWarning = (text: string): string | undefined => {
  const [kind, ...options] = text.split(",");
  const known = kind === "jwt" ? jwtOptions : [];
  const names = options.map((option) => option.split("=", 1)[0] ?? "").filter((name) => !known.includes(name));
  return names.length === 0 ? undefined : `unknown options: ${names.join(", ")}`;
};

/** Returns a warning about a cost that is out of range; undefined: it is used. */
export const bcryptCostWarning = (text: string): string | undefined => {
  const used = bcryptCost(text);
  return used === readNumber("bcrypt-cost", "uint", text) ? undefined : `out of range, ${used} is used`;
};

/** Parses the cost; out of range it is the default, as in etcd. */
const bcryptCost = (text: string): number => {
  const given = readNumber("bcrypt-cost", "uint", text);
  return given >= leastBcryptCost && given <= mostBcryptCost ? given : Number(defaultAuthFlags.bcryptCost);
};

/** Parses `jwt,name=value,…`. An empty text means simple tokens. */
const parseToken = (
  text: string,
): { readonly kind: "simple" | "jwt"; readonly options: ReadonlyMap<string, string> } => {
  const [kind = "", ...rest] = text.split(",");
  const options = new Map<string, string>();
  for (const option of rest) {
    const [name = "", value, more] = option.split("=");
    if (value === undefined || more !== undefined) throw invalidOptionError(`"${option}" is not name=value`);
    if (options.has(name)) throw invalidOptionError(`${name} is given twice`);
    options.set(name, value);
  }
  if (kind !== "jwt" && kind !== "simple" && text !== "") throw invalidOptionError(`unknown token type "${kind}"`);
  return { kind: kind === "jwt" ? kind : "simple", options };
};

const readJwt = (options: ReadonlyMap<string, string>): JwtSettings => {
  const optionOf = (name: string): string | undefined => options.get(name) || undefined;
  const ttl = optionOf("ttl");
  const name = optionOf("sign-method");
  const ttlMs = ttl === undefined ? defaultJwtTtlMs : readTtl(ttl);
  if (name === "none") throw new StartError("unsupported signing method: none");
  const method = jwtMethods.find((each) => each === name);
  if (method === undefined) throw invalidOptionError(`sign-method must be one of ${jwtMethods.join(", ")}`);
  return { kind: "jwt", method, publicKeyFile: optionOf("pub-key"), privateKeyFile: optionOf("priv-key"), ttlMs };
};

const readTtl = (text: string): number => {
  try {
    return durationMs(text);
  } catch (error) {
    if (error instanceof FlagValueError) throw invalidOptionError(`invalid duration "${text}"`);
    throw error;
  }
};

const invalidOptionError = (reason: string): StartError =>
  new StartError(`auth: invalid auth options: --auth-token: ${reason}`);
