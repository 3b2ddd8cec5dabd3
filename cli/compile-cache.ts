import * as nodeModule from "node:module";
import { fileURLToPath } from "node:url";

/** A part of `node:module` since Node 22.1. Does nothing if Node's environment variables name another folder or disable the cache. */
interface CacheEnabler {
  enableCompileCache?(folder: string): unknown;
}

/** A folder of this package, beside dist/: nobody but its owner can put code there. */
const folder = new URL("../../.compile-cache/", import.meta.url);

/** Has Node cache compiled code, which shortens a start by a sixth. Without the permission to write to the folder, nothing is cached. */
export const enableCompileCache = (): void => {
  (nodeModule as CacheEnabler).enableCompileCache?.(fileURLToPath(folder));
};
