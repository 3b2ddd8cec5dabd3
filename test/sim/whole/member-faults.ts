import { MoveLeaderRequest, MoveLeaderResponse } from "../../../proto/index.js";
import { type Host, moments, type SeededRandom } from "../../../testing/index.js";
import type { Crash, FaultTools, Injection } from "./fault-tools.js";
import { outcomeText } from "./kv-client.js";

export const crashes: readonly Crash[] = ["kill", "powerCut"];

/** Faults of whole members. */
export const memberFaults = {
  kill: ({ host, ms, random }, tools) => crash(host, "kill", ms, random, tools),
  powerCut: ({ host, ms, random }, tools) => crash(host, "powerCut", ms, random, tools),

  /** Cuts the power of all members at any time, or just when a member acknowledges something. */
  powerCutAll: ({ host, ms, random }, tools) => {
    const all = (): void => {
      for (const each of tools.hosts) tools.crash(each, "powerCut", random.next() * ms);
    };
    if (random.chance(0.3)) all();
    else tools.actAtMoment(host, random.pick(["apply first", "answer"]), random.between(0, 3), all);
  },

  /** Stops a member as SIGTERM does. */
  stop: ({ host, ms }, tools) => void host.stop().then(() => tools.restartAfter(host, ms)),

  pause: ({ host, ms }, tools) => tools.pause(host, ms),

  /** Freezes a leader until others lead. When it resumes, their messages do not reach it for a while. */
  wakeAlone: ({ host: other, random }, tools) => {
    const host = tools.anyLeader(random) ?? other;
    const asleepMs = (2.5 + 2.5 * random.next()) * tools.electionMs;
    tools.pause(host, asleepMs);
    tools.separate([host], tools.othersThan(host), asleepMs + (0.5 + random.next()) * tools.electionMs);
  },

  /** Crashes a member at a moment within a step that must be atomic, or before a message that needs it to be durable. */
  crashAtMoment: ({ host, ms, random }, tools) => {
    const how = random.pick(crashes);
    const afterMs = random.pick([0, 2]) * random.next();
    const die = (): void => tools.crash(host, how, ms);
    tools.actAtMoment(host, random.pick(moments), random.between(0, 3), () =>
      afterMs === 0 ? die() : tools.actAfter(afterMs, die),
    );
  },

  moveLeader: ({ host, random }, tools) => moveLeader(host, random.pick(tools.hosts), tools),
} satisfies Record<string, Injection>;

/** Crashes a member immediately, or during the next write of its log, which is then torn. */
const crash = (host: Host, how: Crash, ms: number, random: SeededRandom, tools: FaultTools): void => {
  const die = (): void => tools.crash(host, how, ms);
  if (random.chance(0.5)) die();
  else tools.actAtMoment(host, "write log", random.between(0, 2), die);
};

/** Asks a member to transfer leadership, whether it leads or not. */
export const moveLeader = (host: Host, to: Host, { rpc, eventLog, electionMs }: FaultTools): void => {
  const targetID = to.running?.replica.id;
  if (targetID === undefined) return;
  const path = "/etcdserverpb.Maintenance/MoveLeader";
  const method = { path, request: MoveLeaderRequest, response: MoveLeaderResponse };
  void rpc.call(host, method, { targetID }, 3 * electionMs).then((outcome) => {
    eventLog.addLine(`moving the lead from ${host.name} to ${to.name}: ${outcomeText(outcome)}`);
  });
};
