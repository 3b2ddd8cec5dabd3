import type { Clock } from "../../platform/index.js";

/** Waits for a promise for at most `ms` milliseconds. @throws Error after that time */
export const withDeadline = async <T>(clock: Clock, ms: number, promise: Promise<T>): Promise<T> => {
  let cancel: () => void = () => undefined;
  const whenLate = new Promise<never>((_, reject) => {
    cancel = clock.after(ms, () => reject(new Error(`no answer within ${ms} ms`)));
  });
  try {
    return await Promise.race([promise, whenLate]);
  } finally {
    cancel();
  }
};
