// Parses the values of flags by the rules of Go's `flag` package and of etcd.

import { parseMemberUrls, UrlError } from "../base/index.js";
import type { FlagKind } from "./flag.js";
import { nearestName } from "./nearest-name.js";

/** A parsed value; durations are in milliseconds, comma-separated values are lists. */
export type FlagValue = string | boolean | number | readonly string[];

/** A malformed value; the message is only the reason, with etcd's text. */
export class FlagValueError extends Error {
  override readonly name = "FlagValueError";
}

/**
 * Parses a value.
 *
 * @returns durations in milliseconds; numbers beyond 2^53-1 saturate
 * @throws FlagValueError
 */
export const parseFlagValue = (kind: FlagKind, text: string): FlagValue => {
  if (typeof kind === "object") return choice(kind.oneOf, text);
  switch (kind) {
    case "any":
    case "string":
      return text;
    case "strings":
      return text === "" ? [] : text.split(",");
    case "bool":
      return boolean(text);
    case "int":
      return integer(text, { from: -(2n ** 63n), to: 2n ** 63n - 1n });
    case "uint":
      return integer(text, { from: 0n, to: 2n ** 64n - 1n });
    case "uint32":
      return uint32(text);
    case "duration":
      return durationMs(text);
    case "urls":
      return urls(text);
    case "origins":
      return text === "*" ? ["*"] : urls(text);
    case "gates":
      return parseGates(text);
  }
};

const choice = (choices: readonly string[], text: string): string => {
  if (!choices.includes(text)) throw new FlagValueError(`invalid value, choose one of ${choices.join(", ")}`);
  return text;
};

/** The texts of Go's `strconv.ParseBool`. */
const booleans: ReadonlyMap<string, boolean> = new Map([
  ...["1", "t", "T", "TRUE", "true", "True"].map((text) => [text, true] as const),
  ...["0", "f", "F", "FALSE", "false", "False"].map((text) => [text, false] as const),
]);

const boolean = (text: string): boolean => {
  const value = booleans.get(text);
  if (value === undefined) throw new FlagValueError("parse error");
  return value;
};

/** Go's integers in base 0: decimal, 0x, 0o or 0 and 0b, underscores between digits of those with a prefix or of Go syntax. */
const digits =
  /^([+-]?)(?:0[xX](?<hex>_?[\da-fA-F]+(?:_[\da-fA-F]+)*)|0[bB](?<binary>_?[01]+(?:_[01]+)*)|0[oO]?(?<octal>_?[0-7]+(?:_[0-7]+)*)|(?<decimal>0|[1-9]\d*(?:_\d+)*))$/;

/** Undefined: not an integer. */
const parseInteger = (text: string): bigint | undefined => {
  const match = digits.exec(text);
  if (match === null) return undefined;
  const { hex, binary, octal, decimal = "" } = match.groups ?? {};
  const prefixed = hex !== undefined ? `0x${hex}` : binary !== undefined ? `0b${binary}` : octal && `0o${octal}`;
  const magnitude = BigInt((prefixed ?? decimal).replaceAll("_", ""));
  return match[1] === "-" ? -magnitude : magnitude;
};

const integer = (text: string, range: { readonly from: bigint; readonly to: bigint }): number => {
  const value = parseInteger(text);
  // Go's unsigned integers have no sign.
  if (value === undefined || (range.from === 0n && /^[+-]/.test(text))) throw new FlagValueError("parse error");
  if (value < range.from || value > range.to) throw new FlagValueError("value out of range");
  return Math.min(Math.max(Number(value), Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
};

/** Parses etcd's own type, with the errors of `strconv`. */
const uint32 = (text: string): number => {
  const value = /^[+-]/.test(text) ? undefined : parseInteger(text);
  const problem = value === undefined ? "invalid syntax" : value > 0xffff_ffffn ? "value out of range" : undefined;
  if (problem !== undefined) throw new FlagValueError(`strconv.ParseUint: parsing "${text}": ${problem}`);
  return Number(value);
};

const unitsMs = { ns: 1e-6, us: 1e-3, µs: 1e-3, μs: 1e-3, ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;
/** 2^63 ns, the limit of Go's durations. */
const longestDurationMs = 2 ** 63 / 1e6;

/** Parses a duration in Go's format, "1m30s", to milliseconds. */
export const durationMs = (text: string): number => {
  const [, sign = "", amount = ""] = /^([+-]?)(.+)$/.exec(text) ?? [];
  const parts = [...amount.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g)];
  const sum = parts.reduce(
    (total, [, number, unit]) => total + Number(number) * unitsMs[unit as keyof typeof unitsMs],
    0,
  );
  const isWhole = parts.length > 0 && parts.map(([part]) => part).join("") === amount;
  if ((amount !== "0" && !isWhole) || sum >= longestDurationMs) throw new FlagValueError("parse error");
  return sign === "-" ? -sum : sum;
};

const urls = (text: string): string[] => {
  if (text === "") return [];
  try {
    return parseMemberUrls(text).map((url) => url.text);
  } catch (error) {
    if (error instanceof UrlError) throw new FlagValueError(error.message);
    throw error;
  }
};

/** etcd's feature gates of 3.6 and 3.7, with their stages in 3.7. */
export const featureGates = [
  { name: "AllAlpha", stage: "ALPHA" },
  { name: "AllBeta", stage: "BETA" },
  { name: "CompactHashCheck", stage: "ALPHA" },
  { name: "FastLeaseKeepAlive", stage: "BETA" },
  { name: "InitialCorruptCheck", stage: "ALPHA" },
  { name: "LeaseCheckpoint", stage: "ALPHA" },
  { name: "LeaseCheckpointPersist", stage: "ALPHA" },
  { name: "PriorityRequest", stage: "ALPHA" },
  { name: "SetMemberLocalAddr", stage: "ALPHA" },
  { name: "StopGRPCServiceOnDefrag", stage: "ALPHA" },
  { name: "TxnModeWriteWithSharedBuffer", stage: "BETA" },
] as const;

/** Returns the feature gates in a valid value; for a repeated gate, the last one. */
export const featureGatesOf = (text: string): ReadonlyMap<string, boolean> =>
  new Map(
    parseGates(text).map((part) => {
      const [name = "", value = ""] = part.split("=").map((word) => word.trim());
      return [name, booleans.get(value) === true];
    }),
  );

const unknownGate = (name: string): FlagValueError => {
  const nearest = nearestName(
    name,
    featureGates.map((gate) => gate.name),
  );
  const suggestion = nearest === undefined ? "" : ` (did you mean ${nearest}?)`;
  return new FlagValueError(`unrecognized feature gate: ${name}${suggestion}`);
};

const parseGates = (text: string): string[] => {
  const given = text.split(",").filter((part) => part.trim() !== "");
  for (const part of given) {
    const [name = "", value] = part.split(/=(.*)/s).map((word) => word.trim());
    if (!featureGates.some((gate) => gate.name === name)) throw unknownGate(name);
    if (value === undefined) throw new FlagValueError(`missing bool value for ${name}`);
    if (!booleans.has(value))
      throw new FlagValueError(
        `invalid value of ${name}=${value}, err: strconv.ParseBool: parsing "${value}": invalid syntax`,
      );
  }
  return given;
};
