// Options of test servers and clusters.

import type { ServerFlags } from "../../server/config/index.js";

/** Options of a test server. */
export interface TestServerOptions {
  /** `virtual`: time stands still until `clock.advance`. Default: `machine`. */
  readonly clock?: "machine" | "virtual" | undefined;
  /** True: in a temporary directory, which is removed at the end. Default: in memory. */
  readonly disk?: boolean | undefined;
  /** False: no port is opened, and only `client()` reaches the server. Default: a free port of 127.0.0.1. */
  readonly listen?: boolean | undefined;
  /** Seed of all that is random in the server, such as election timeouts. Default: 1. */
  readonly seed?: number | undefined;
  /** Flags of `minietcd` that are not to have their defaults, such as `{ maxTxnOps: "1024" }`. */
  readonly flags?: Partial<ServerFlags> | undefined;
}

/** Options of a test cluster. */
export interface TestClusterOptions extends TestServerOptions {
  /** Number of members, which are called m1, m2 and so on, or their names. Default: 3. */
  readonly members?: number | readonly string[] | undefined;
}

/** Names of the members that the options ask for. */
export const memberNames = ({ members = 3 }: TestClusterOptions): readonly string[] => {
  const names = typeof members === "number" ? Array.from({ length: members }, (_, n) => `m${n + 1}`) : members;
  if (names.length === 0 || new Set(names).size < names.length)
    throw new TypeError(`Cannot start a test cluster of these members: ${JSON.stringify(members)}`);
  return names;
};
