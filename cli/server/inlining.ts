import { setFlagsFromString } from "node:v8";

/**
 * Limits of V8's optimizing compiler, in bytes of bytecode: all functions that are inlined into one function together, and each
 * of them. V8's defaults are 920 and 460.
 */
export const inliningFlags = ["--max-inlined-bytecode-size-cumulative=500", "--max-inlined-bytecode-size=250"] as const;

/**
 * Makes V8 inline fewer functions, until the process ends. A function is compiled together with its inlined callees, so the same
 * code is compiled several times: in the first seconds under load the compiler uses nearly as much CPU time as the requests.
 */
export const limitInlining = (): void => {
  for (const flag of inliningFlags) setFlagsFromString(flag);
};
