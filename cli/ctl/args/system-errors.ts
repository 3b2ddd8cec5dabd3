// Errors of the operating system, in Go's words.
import { getSystemErrorMap } from "node:util";

/** Returns the reason alone, such as "no such file or directory"; undefined: not an error of the operating system. */
export function systemErrorReason(error: unknown): string | undefined {
  const { errno } = error as NodeJS.ErrnoException;
  return errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1];
}
