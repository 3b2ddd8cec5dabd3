import type { MemberConfig } from "../config/index.js";
import type { MemberEnvironment } from "../member/index.js";
import type { WarmUpLimits } from "./schedule.js";
import { RequestLoad } from "./request-load.js";
import { type MeasuredProcess, type ObservedMember, WarmUp } from "./warm-up.js";

/** The bounds of a member's warm-up. */
const limits: WarmUpLimits = { quietMs: 200, maxWork: 500, maxCpuMs: 3_000, maxMs: 20_000 };

/**
 * Warms up a member that is ready: in its idle time, it sends the most frequent requests to a temporary cluster in memory, so that V8
 * has compiled their code before clients send theirs. The warm-up ends by itself, and changes neither data nor metrics of the member.
 */
export const startWarmUp = (
  member: ObservedMember,
  config: MemberConfig,
  environment: Pick<MemberEnvironment, "clock" | "random" | "logger">,
): WarmUp => {
  const { clock, logger } = environment;
  return new WarmUp({ member, process: ownProcess, limits, clock, logger }, () =>
    RequestLoad.open(config, environment),
  );
};

const ownProcess: MeasuredProcess = {
  cpuMs: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1_000;
  },
};
