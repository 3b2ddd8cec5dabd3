import * as nodeModule from "node:module";

/** A part of `node:module` since Node 22.10. Before, only an exit writes the cache, not the signal that ends most members. */
interface CompileCache {
  flushCompileCache?(): void;
}

/** Writes the code that Node has compiled, for the next start; does nothing without the cache of `cli/compile-cache.ts`. */
export const writeCompileCache = (): void => (nodeModule as CompileCache).flushCompileCache?.();
