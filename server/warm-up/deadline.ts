import type { Clock } from "../../platform/index.js";

/** Waits for a promise, but no longer than this. @throws Error if it takes longer */
export const withDeadline = async <T>(clock: Clock, ms: number, promise: Promise<T>): Promise<T> => {
  let cancel: () => void = () => undefined;
  const late = new Promise<never>((_, reject) => {
    cancel = clock.after(ms, () => reject(new Error(`no answer within ${ms} ms`)));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    cancel();
  }
};
