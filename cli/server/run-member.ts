import {
  configFromFlags,
  createLogger,
  errorText,
  FlagError,
  formatId,
  ignoredPeerUrlsText,
  Member,
  readSettings,
  StartError,
  systemClock,
  systemRandom,
  warmUpMember,
  type GivenFlag,
  type Logger,
  type MemberConfig,
  type MemberEnvironment,
  type MemberSettings,
} from "../../server/index.js";
import { writeCompileCache } from "./compile-cache.js";
import { growSmallHeap } from "./heap-growth.js";
import { collectWhileIdle } from "./idle-collection.js";
import { limitInlining } from "./inlining.js";
import { openLogOutputs } from "./log-outputs.js";
import { tellSupervisor, type SupervisorCommand } from "./messages.js";
import { limitYoungGeneration } from "./young-generation.js";

/**
 * Returns a logger to the configured outputs, or to standard error while the configuration is unknown; errors, and a warning that
 * concerns the whole cluster, also go to a supervisor.
 */
const loggerTo = (config?: MemberConfig): Logger => {
  const logger = createLogger({
    level: config?.monitoring.logLevel ?? "info",
    format: config?.monitoring.logFormat ?? "json",
    write: openLogOutputs(config?.monitoring.logOutputs ?? ["stderr"]),
    timestamp: () => new Date().toISOString(),
  });
  return {
    ...logger,
    error: (message, fields) => {
      logger.error(message, fields);
      tellSupervisor({ kind: "problem", text: message });
    },
    warn: (message, fields) => {
      logger.warn(message, fields);
      if (message === ignoredPeerUrlsText) tellSupervisor({ kind: "other-peer-urls", used: String(fields?.["used"]) });
    },
  };
};

/** Runs one member, with the flags of its command line, until it is stopped or fails. Ends the process. */
export const runMember = async (flags: readonly GivenFlag[]): Promise<void> => {
  limitInlining();
  limitYoungGeneration();
  let logger = loggerTo();
  const orphaned = whenSupervisorGone();
  try {
    const settings = readSettings(flags, process.env);
    const config = configFromFlags(settings.flags);
    logger = loggerTo(config);
    logSettings(settings, logger);
    await serve(config, logger, orphaned);
  } catch (error) {
    if (error instanceof FlagError) refuseFlags(error);
    if (!(error instanceof StartError))
      logger.error("unexpected error", { stack: error instanceof Error ? error.stack : "" });
    logger.fatal("cannot start", { error: errorText(error) });
    tellSupervisor({ kind: "failed", reason: errorText(error) });
    process.exit(1);
  }
};

/** Resolves when the supervisor's end of the channel is closed, for whatever reason; perhaps before this program was loaded. */
const whenSupervisorGone = (): Promise<void> => {
  const isGone = process.send !== undefined && !process.connected;
  return isGone ? Promise.resolve() : new Promise((resolve) => process.once("disconnect", resolve));
};

/** Ends the process as etcd does for invalid flags. */
export const refuseFlags = (error: FlagError): never => {
  process.stderr.write(`${error.message}\nSee 'minietcd --help'.\n`);
  tellSupervisor({ kind: "failed", reason: error.message });
  process.exit(2);
};

const logSettings = (settings: MemberSettings, logger: Logger): void => {
  if (settings.configFile !== undefined)
    logger.info(
      "loaded server configuration, other configuration command line flags and environment variables " +
        "will be ignored if provided",
      { path: settings.configFile },
    );
  for (const { name: variable, didYouMean } of settings.unknownVariables)
    logger.warn("unrecognized environment variable", { variable, didYouMean });
  for (const { name: key, didYouMean } of settings.unknownKeys)
    logger.warn("unrecognized key of the configuration file: it has no effect", { key, didYouMean });
  for (const warning of settings.warnings) logger.warn(warning);
};

const serve = async (config: MemberConfig, logger: Logger, orphaned: Promise<void>): Promise<void> => {
  const environment: MemberEnvironment = {
    clock: systemClock,
    random: systemRandom,
    logger,
    onLeaderChange: ({ id, leader, term }) =>
      tellSupervisor({ kind: "leader", self: formatId(id), leader: leader === 0n ? "" : formatId(leader), term }),
  };
  const member = await Member.start(config, environment);
  stopOnSignals(member, logger);
  if (config.monitoring.auditLog !== undefined) process.on("SIGHUP", () => member.reopenAuditLog()); // without a listener, SIGHUP ends the process
  growSmallHeap();
  const collection = collectWhileIdle(logger);
  process.on("message", ({ kind }: Partial<SupervisorCommand>) => {
    if (kind === "drain") void member.drain().then(() => tellSupervisor({ kind: "drained" }));
  });
  void orphaned.then(() => stopAndExit(member, logger, "supervisor is gone"));
  member.whenReady.then(
    () => {
      tellSupervisor({ kind: "ready" });
      writeCompileCache();
      if (config.member.warmUp) void warmUpMember(member, config, environment).then(() => collection.expectGarbage());
    },
    () => undefined, // `whenStopped` has the reason
  );
  const failure = await member.whenStopped;
  if (failure === undefined) return;
  logger.fatal("member failed", { error: errorText(failure) });
  tellSupervisor({ kind: "failed", reason: errorText(failure) });
  process.exit(1);
};

const stopAndExit = async (member: Member, logger: Logger, why: string): Promise<void> => {
  logger.info("shutting down", { why });
  await member.stop();
  if ((await member.whenStopped) !== undefined) return; // `serve` logs the reason, and ends the process
  logger.info("stopped");
  process.exit(0);
};

/**
 * Stops the member on a signal, then ends the process by the same signal, as etcd does, so that the parent process learns the
 * cause. A second signal ends the process at once.
 */
const stopOnSignals = (member: Member, logger: Logger): void => {
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => {
      logger.info("received signal; shutting down", { signal });
      void member.stop().then(async () => {
        if ((await member.whenStopped) === undefined) logger.info("stopped", { signal });
        process.kill(process.pid, signal);
      });
    });
};
