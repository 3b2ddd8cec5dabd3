// Errors of the system, in the words that Go has for them.
import { getSystemErrorMap } from "node:util";

/** Returns the reason alone, such as "no such file or directory"; undefined: it is no error of the system. */
export function systemErrorReason(error: unknown): string | undefined {
  const { errno } = error as NodeJS.ErrnoException;
  return errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1];
}
