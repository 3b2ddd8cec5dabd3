import { setFlagsFromString } from "node:v8";

/** Limits of V8's optimizing compiler, in bytes of bytecode: all functions inlined into one, and each. Its own are 920 and 460. */
export const inliningFlags = ["--max-inlined-bytecode-size-cumulative=500", "--max-inlined-bytecode-size=250"] as const;

/**
 * Has V8 inline fewer functions until the process ends. Functions are compiled with their callees inlined, so the same code is compiled
 * several times: in the first seconds under load the compiler takes nearly as much CPU as the requests.
 */
export const limitInlining = (): void => {
  for (const flag of inliningFlags) setFlagsFromString(flag);
};
