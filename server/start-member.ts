import { createLogger, type Logger } from "./base/index.js";
import { configFromFlags, defaultFlags, type ServerFlags } from "./config/index.js";
import { Member } from "./member/index.js";
import { warmUpMember } from "./warm-up-member.js";
import { systemClock, systemRandom } from "../platform/index.js";

/** Options of a member within a program. The defaults are etcd's. */
export interface StartMemberOptions {
  /** The member's name in its cluster. Default: `default`. */
  readonly name?: string | undefined;
  /** The data directory, used by this member only. Default: `<name>.etcd`. */
  readonly dataDir?: string | undefined;
  /** The URLs for clients, separated by commas. Default: `http://localhost:2379`. */
  readonly clientUrls?: string | undefined;
  /** The URLs for the peers, separated by commas. Default: `http://localhost:2380`. */
  readonly peerUrls?: string | undefined;
  /** Names and peer URLs of all members of the cluster, including this one. Default: this member only. */
  readonly members?: Readonly<Record<string, string>> | undefined;
  /** Receives the log lines. Default: lines of JSON on standard error, from level `warn` on or that of `flags`. */
  readonly logger?: Logger | undefined;
  /**
   * Further flags of `minietcd`, such as `{ autoCompactionRetention: "1" }`. The table: docs/flags.md. The warm-up is off
   * unless `{ warmUp: "true" }`.
   */
  readonly flags?: Partial<ServerFlags> | undefined;
  /** Aborts the start: the member is stopped, and the start rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Starts a member of a cluster in this process. Resolves once it serves clients; members of a new cluster wait for a majority, so start
 * them at the same time. Stop it with `stop()`, or `await using member = await startMember({ dataDir: "data/m1" })`.
 *
 * @throws StartError with the reason and a remedy, FlagError for an invalid flag, TypeError for an unknown option
 */
export const startMember = async (options: StartMemberOptions = {}): Promise<Member> => {
  options.signal?.throwIfAborted();
  const config = configFromFlags(flagsOf(options));
  const { signal, logger = stderrLogger(options.flags?.logLevel === undefined ? "warn" : config.monitoring.logLevel) } =
    options;
  const environment = { clock: systemClock, random: systemRandom, logger };
  const member = await Member.start(config, environment);
  const giveUp = (): void => void member.stop();
  signal?.addEventListener("abort", giveUp);
  try {
    signal?.throwIfAborted();
    await member.whenReady;
    if (options.flags?.warmUp !== undefined && config.member.warmUp) void warmUpMember(member, config, environment);
    return member;
  } catch (error) {
    await member.stop();
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener("abort", giveUp);
  }
};

const flagsOf = ({
  name,
  dataDir,
  clientUrls,
  peerUrls,
  members,
  flags = {},
  ...rest
}: StartMemberOptions): ServerFlags => {
  refuseUnknown("option", rest, ["logger", "signal"]);
  refuseUnknown("flag", flags, Object.keys(defaultFlags));
  const given: { readonly [Name in keyof ServerFlags]?: ServerFlags[Name] | undefined } = {
    name,
    dataDir,
    listenClientUrls: clientUrls,
    advertiseClientUrls: clientUrls,
    listenPeerUrls: peerUrls,
    initialAdvertisePeerUrls: peerUrls,
    initialCluster:
      members &&
      Object.entries(members)
        .map(([member, url]) => `${member}=${url}`)
        .join(","),
  };
  const isGiven = ([, value]: readonly [string, unknown]): boolean => value !== undefined;
  return {
    ...defaultFlags,
    ...Object.fromEntries([...Object.entries(flags), ...Object.entries(given)].filter(isGiven)),
  };
};

const refuseUnknown = (what: string, given: object, known: readonly string[]): void => {
  const unknown = Object.keys(given).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new TypeError(`Cannot start a member: there is no ${what} "${unknown}"`);
};

const stderrLogger = (level: Parameters<typeof createLogger>[0]["level"]): Logger =>
  createLogger({
    level,
    format: "json",
    write: (line) => void process.stderr.write(line),
    timestamp: () => new Date().toISOString(),
  });
