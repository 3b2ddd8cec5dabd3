import { types } from "node:util";

/**
 * Tells whether a value is an error, also one of another realm: in a test of Jest, errors of Node's modules are not `instanceof` the
 * `Error` that the test and this module see.
 */
export const isError = (value: unknown): value is Error => value instanceof Error || types.isNativeError(value);

/** Converts a thrown value to an error; returns an error itself. */
export const asError = (reason: unknown): Error => (isError(reason) ? reason : new Error(String(reason)));

/** The code of an error of Node, of the system or of LevelDB, such as `ENOENT`; undefined if it has none. */
export const errorCode = (error: unknown): string | undefined =>
  isError(error) && "code" in error && typeof error.code === "string" ? error.code : undefined;

/** The error that led to `error`; undefined if none is known. */
export const causeOf = (error: unknown): unknown => (isError(error) ? error.cause : undefined);
