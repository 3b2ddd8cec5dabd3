// Options of test servers and clusters.

import type { ClientOptions } from "../../../client/index.js";
import { defaultFlags, type ServerFlags } from "../../../server/config/index.js";
import { checkOneOf, checkOptions } from "../base/index.js";
import { checkAuth, type TestAuth } from "./users.js";

/** Options of a test server. */
export interface TestServerOptions {
  /** `virtual`: time only passes by `clock.advance`. Default: `machine`. */
  readonly clock?: "machine" | "virtual" | undefined;
  /** True: in a temporary directory, which is removed at the end. Default: in memory. */
  readonly disk?: boolean | undefined;
  /** False: no port is opened, and only `client()` reaches the server. Default: a free port of 127.0.0.1. */
  readonly listen?: boolean | undefined;
  /** True: the port uses TLS, with a generated certificate that clients trust through `server.tls`. Default: false. */
  readonly tls?: boolean | undefined;
  /** Initial users; with them, requests need one of them. Default: authentication is off. */
  readonly auth?: TestAuth | undefined;
  /** Seed of all random numbers in the server, such as election timeouts. Default: 1. */
  readonly seed?: number | undefined;
  /** Flags of `minietcd` that differ from the defaults, such as `{ maxTxnOps: "1024" }`. */
  readonly flags?: Partial<ServerFlags> | undefined;
}

/** Options of a client in the same process: the options of `Client`, except those that the server sets. */
export type TestClientOptions = Omit<ClientOptions, "endpoints" | "transport">;

/** Options of a test cluster. */
export interface TestClusterOptions extends TestServerOptions {
  /** Number of members, which are called m1, m2 and so on, or their names. Default: 3. */
  readonly members?: number | readonly string[] | undefined;
}

/** Returns the names of the members from the options. */
export const memberNames = ({ members = 3 }: TestClusterOptions): readonly string[] => {
  const names = isCount(members) ? Array.from({ length: members }, (_, n) => `m${n + 1}`) : members;
  if (areNames(names)) return names;
  throw new TypeError(
    `Cannot start a test cluster of these members: ${JSON.stringify(members)}; expected a number from 1 to ${mostMembers}, or names`,
  );
};

/** The maximum number of members: a larger number is a mistake, and would use all memory. */
const mostMembers = 99;

const isCount = (members: unknown): members is number =>
  typeof members === "number" && Number.isInteger(members) && members >= 1 && members <= mostMembers;

const areNames = (names: unknown): names is readonly string[] =>
  Array.isArray(names) && names.length > 0 && names.every(isName) && new Set(names).size === names.length;

/** Whether a name can be a part of a path and of the list of members. */
const isName = (name: unknown): boolean => typeof name === "string" && /^[\w.-]*\w[\w.-]*$/.test(name);

/** Names of the options of a test server. */
export const serverOptions = [
  "clock",
  "disk",
  "listen",
  "tls",
  "auth",
  "seed",
  "flags",
] as const satisfies (keyof TestServerOptions)[];

/** Flags that options of the test server replace, or that have no effect in it. */
const ownFlags: readonly (keyof ServerFlags)[] = [
  "name",
  "dataDir",
  "listenClientUrls",
  "advertiseClientUrls",
  "listenPeerUrls",
  "initialAdvertisePeerUrls",
  "initialCluster",
  "initialClusterState",
  "certFile",
  "keyFile",
  "trustedCaFile",
  "clientCertAuth",
  "clientCrlFile",
  "clientCertAllowedCn",
  "clientCertAllowedHostname",
  "autoTls",
  "memory",
  "unsafeNoFsync",
  "rpcEngine",
  "logLevel",
  "logFormat",
  "logOutputs",
];

/**
 * Checks the options of a server or a cluster, for tests in JavaScript.
 *
 * @throws TypeError for unknown names and invalid values
 */
export const checkStartOptions = (what: string, options: TestServerOptions, names: readonly string[]): void => {
  checkOptions(what, options, names);
  const { clock = "machine", disk = false, listen = true, tls = false, seed = 1, flags = {} } = options;
  checkOneOf(what, "clock", clock, ["machine", "virtual"]);
  checkOneOf(what, "disk", disk, [true, false]);
  checkOneOf(what, "listen", listen, [true, false]);
  checkOneOf(what, "tls", tls, [true, false]);
  if (tls && !listen) throw new TypeError(`Cannot ${what}: tls needs a port, and listen: false switches it off`);
  if (options.auth !== undefined) checkAuth(what, options.auth);
  if (!Number.isFinite(seed)) throw new TypeError(`Cannot ${what}: seed is not a number`);
  checkOptions(`${what} with these flags`, flags, Object.keys(defaultFlags));
  const own = ownFlags.find((name) => Object.hasOwn(flags, name));
  if (own !== undefined)
    throw new TypeError(`Cannot ${what}: the flag ${own} is set by the test server, or has no effect in it`);
  for (const [name, value] of Object.entries(flags))
    if (typeof value !== "string") throw new TypeError(`Cannot ${what}: the flag ${name} is not text, such as "100"`);
};
