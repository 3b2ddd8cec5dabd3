// Parses the values of flags to numbers, lists and switches.

import type { FlagKind } from "./flag.js";
import { FlagValueError, parseFlagValue } from "./flag-values.js";

/** A flag with a malformed value; etcd shows its usage then and exits with 2. */
export class FlagError extends Error {
  override readonly name = "FlagError";
}

/** Parses a number, or a duration to milliseconds. @throws FlagError with Go's text */
export const readNumber = (flag: string, kind: Exclude<FlagKind, object>, text: string): number => {
  try {
    return Number(parseFlagValue(kind, text));
  } catch (error) {
    if (error instanceof FlagValueError)
      throw new FlagError(`invalid value "${text}" for flag -${flag}: ${error.message}`);
    throw error;
  }
};

/** Parses a comma-separated list. @throws FlagError with Go's text */
export const readList = (flag: string, kind: "origins" | "strings", text: string): readonly string[] => {
  try {
    return (parseFlagValue(kind, text) as readonly string[]).slice(); // lists, for these kinds
  } catch (error) {
    if (error instanceof FlagValueError)
      throw new FlagError(`invalid value "${text}" for flag -${flag}: ${error.message}`);
    throw error;
  }
};

/** Parses a boolean. @throws FlagError with Go's text */
export const readSwitch = (flag: string, value: string): boolean => {
  try {
    return parseFlagValue("bool", value) === true;
  } catch (error) {
    if (error instanceof FlagValueError)
      throw new FlagError(`invalid boolean value "${value}" for -${flag}: ${error.message}`);
    throw error;
  }
};
