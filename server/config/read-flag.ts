// Values of flags as numbers and switches.

import type { FlagKind } from "./flag.js";
import { FlagValueError, parseFlagValue } from "./flag-values.js";

/** A flag whose value cannot be read; etcd shows its usage then and exits with 2. */
export class FlagError extends Error {
  override readonly name = "FlagError";
}

/** Reads a number, or a duration as milliseconds. @throws FlagError in Go's words */
export const readNumber = (flag: string, kind: Exclude<FlagKind, object>, text: string): number => {
  try {
    return Number(parseFlagValue(kind, text));
  } catch (error) {
    if (error instanceof FlagValueError)
      throw new FlagError(`invalid value "${text}" for flag -${flag}: ${error.message}`);
    throw error;
  }
};

/** Reads words between commas. @throws FlagError in Go's words */
export const readList = (flag: string, kind: "origins" | "strings", text: string): readonly string[] => {
  try {
    return (parseFlagValue(kind, text) as readonly string[]).slice(); // of these kinds alone
  } catch (error) {
    if (error instanceof FlagValueError)
      throw new FlagError(`invalid value "${text}" for flag -${flag}: ${error.message}`);
    throw error;
  }
};

/** Reads a boolean. @throws FlagError in Go's words */
export const readSwitch = (flag: string, value: string): boolean => {
  try {
    return parseFlagValue("bool", value) === true;
  } catch (error) {
    if (error instanceof FlagValueError)
      throw new FlagError(`invalid boolean value "${value}" for -${flag}: ${error.message}`);
    throw error;
  }
};
