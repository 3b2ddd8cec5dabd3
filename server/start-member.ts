import { createLogger, type Logger } from "./base/index.js";
import { configFromFlags } from "./config/index.js";
import { Member } from "./member/index.js";
import { flagsOf, type StartMemberOptions } from "./start-options.js";
import { warmUpMember } from "./warm-up-member.js";
import { systemClock, systemRandom } from "../platform/index.js";

/**
 * Starts a member of a cluster in this process. Resolves once it serves clients; members of a new cluster wait for a majority, so start
 * them at the same time. Stop it with `stop()`, or `await using member = await startMember({ dataDir: "data/m1" })`.
 *
 * @throws StartError with the reason and a remedy, FlagError for an invalid flag, TypeError for unknown options and values of a wrong type
 */
export const startMember = async (options: StartMemberOptions = {}): Promise<Member> => {
  const config = configFromFlags(flagsOf(options));
  options.signal?.throwIfAborted();
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

const stderrLogger = (level: Parameters<typeof createLogger>[0]["level"]): Logger =>
  createLogger({
    level,
    format: "json",
    write: (line) => void process.stderr.write(line),
    timestamp: () => new Date().toISOString(),
  });
