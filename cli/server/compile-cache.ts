import * as nodeModule from "node:module";

/** A part of `node:module` since Node 22.10. Without it, only a normal exit writes the cache, and most members end by a signal. */
interface CacheFlusher {
  flushCompileCache?(): void;
}

/** Writes the code that Node has compiled to the cache, for the next start; does nothing unless `cli/compile-cache.ts` has enabled it. */
export const writeCompileCache = (): void => (nodeModule as CacheFlusher).flushCompileCache?.();
