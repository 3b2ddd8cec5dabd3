import type { Command } from "commander";
import {
  configFromFlags,
  createLogger,
  defaultFlags,
  errorText,
  FlagError,
  formatId,
  Member,
  StartError,
  systemClock,
  type Logger,
  type LogLevel,
  type MemberConfig,
  type ServerFlags,
} from "../../server/index.js";
import { applyEnvironment, ShadowedVariableError } from "./environment.js";
import { writeLogLine } from "./log-output.js";
import { tellSupervisor, type SupervisorCommand } from "./messages.js";

/** Flags of etcd that do nothing here yet; each use is answered with a warning that says so. */
const flagsWithoutEffect = {
  quotaBackendBytes: "--quota-backend-bytes has no effect yet: the store has no quota",
} as const;

interface MemberFlags extends ServerFlags {
  readonly quotaBackendBytes: string | undefined;
}

/** Gives `minietcd` etcd's flags. */
export const addServerFlags = (command: Command): Command => {
  const flags = command
    .option("--name <name>", "name of this member", defaultFlags.name)
    .option("--data-dir <path>", "where this member keeps its data (default: <name>.etcd)")
    .option("--listen-client-urls <urls>", "where to listen for clients (default: http://localhost:2379)")
    .option("--advertise-client-urls <urls>", "client URLs to tell the cluster (default: http://localhost:2379)")
    .option("--listen-peer-urls <urls>", "where to listen for other members", defaultFlags.listenPeerUrls)
    .option(
      "--initial-advertise-peer-urls <urls>",
      "peer URLs to tell the cluster",
      defaultFlags.initialAdvertisePeerUrls,
    )
    .option("--initial-cluster <members>", "name=peer-url,name=peer-url… of all members (default: this one alone)")
    .option(
      "--initial-cluster-state <state>",
      'how the cluster begins: only "new" yet',
      defaultFlags.initialClusterState,
    )
    .option(
      "--initial-cluster-token <token>",
      "tells clusters apart: ids depend on it",
      defaultFlags.initialClusterToken,
    )
    .option("--heartbeat-interval <ms>", "time between a leader's heartbeats", defaultFlags.heartbeatInterval)
    .option("--election-timeout <ms>", "silence after which a new leader is elected", defaultFlags.electionTimeout)
    .option("--max-txn-ops <count>", "most operations in a transaction", defaultFlags.maxTxnOps)
    .option("--max-request-bytes <bytes>", "largest request", defaultFlags.maxRequestBytes)
    .option("--snapshot-count <count>", "applied entries after which the log is cut", defaultFlags.snapshotCount)
    .option(
      "--snapshot-catchup-entries <count>",
      "entries that stay in the log for members that are behind",
      defaultFlags.snapshotCatchupEntries,
    )
    .option(
      "--watch-progress-notify-interval <duration>",
      "time after which a quiet watch is told how far it is, if it asks for that",
      defaultFlags.watchProgressNotifyInterval,
    )
    .option("--log-level <level>", "debug, info, warn, error, panic or fatal", defaultFlags.logLevel)
    .option("--quota-backend-bytes <bytes>", "accepted, no effect yet");
  return flags;
};

/** Writes to standard error; a supervisor is told of errors, too. */
const loggerAt = (level: LogLevel): Logger => {
  const logger = createLogger({ level, write: writeLogLine, timestamp: () => new Date().toISOString() });
  return {
    ...logger,
    error: (message, fields) => {
      logger.error(message, fields);
      tellSupervisor({ kind: "problem", text: message });
    },
  };
};

/** Runs one member until it is told to stop or fails. Ends the process. */
export const runMember = async (command: Command): Promise<void> => {
  let logger = loggerAt("info");
  const orphaned = supervisorGone();
  try {
    const unknown = applyEnvironment(command, process.env);
    const flags = command.opts<MemberFlags>();
    const config = configFromFlags(flags);
    logger = loggerAt(config.logLevel);
    for (const variable of unknown) logger.warn("unrecognized environment variable", { variable });
    for (const [flag, warning] of Object.entries(flagsWithoutEffect))
      if (flags[flag as keyof typeof flagsWithoutEffect] !== undefined) logger.warn(warning);
    await serve(config, logger, orphaned);
  } catch (error) {
    if (error instanceof FlagError) {
      process.stderr.write(`${error.message}\nSee 'minietcd --help'.\n`);
      tellSupervisor({ kind: "failed", reason: error.message });
      process.exit(2);
    }
    if (!(error instanceof StartError || error instanceof ShadowedVariableError))
      logger.error("unexpected", { stack: error instanceof Error ? error.stack : "" });
    logger.fatal("cannot start", { error: errorText(error) });
    tellSupervisor({ kind: "failed", reason: errorText(error) });
    process.exit(1);
  }
};

/** Resolves when the supervisor closes the channel, however it dies; it may have died before this program was loaded. */
const supervisorGone = (): Promise<void> => {
  const isGone = process.send !== undefined && !process.connected;
  return isGone ? Promise.resolve() : new Promise((resolve) => process.once("disconnect", resolve));
};

const serve = async (config: MemberConfig, logger: Logger, orphaned: Promise<void>): Promise<void> => {
  const member = await Member.start(config, {
    clock: systemClock,
    random: Math.random,
    logger,
    onLeaderChange: ({ id, leader, term }) =>
      tellSupervisor({ kind: "leader", self: formatId(id), leader: leader === 0n ? "" : formatId(leader), term }),
  });
  stopOnSignals(member, logger);
  process.on("message", ({ kind }: Partial<SupervisorCommand>) => {
    if (kind === "drain") void member.drain().then(() => tellSupervisor({ kind: "drained" }));
  });
  void orphaned.then(() => stopAndExit(member, logger, "supervisor is gone"));
  member.ready.then(
    () => tellSupervisor({ kind: "ready" }),
    () => undefined, // `stopped` says why
  );
  const failure = await member.stopped;
  if (failure === undefined) return;
  logger.fatal("stopped", { error: errorText(failure) });
  tellSupervisor({ kind: "failed", reason: errorText(failure) });
  process.exit(1);
};

const stopAndExit = async (member: Member, logger: Logger, why: string): Promise<void> => {
  logger.info("shutting down", { why });
  await member.stop();
  if ((await member.stopped) !== undefined) return; // `serve` says why, and ends the process
  logger.info("stopped");
  process.exit(0);
};

/** As etcd: an orderly stop, then death by the same signal, so that whoever waits sees the cause. A second one kills. */
const stopOnSignals = (member: Member, logger: Logger): void => {
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => {
      logger.info("received signal; shutting down", { signal });
      void member.stop().then(async () => {
        if ((await member.stopped) === undefined) logger.info("stopped", { signal });
        process.kill(process.pid, signal);
      });
    });
};
