/** The code of an error of Node, of the system or of LevelDB, such as `ENOENT`; undefined if it has none. */
export const errorCode = (error: unknown): string | undefined =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;

/** The error that led to `error`; undefined if none is known. */
export const causeOf = (error: unknown): unknown => (error instanceof Error ? error.cause : undefined);
