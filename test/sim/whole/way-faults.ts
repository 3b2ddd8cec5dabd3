import type { Injection } from "./fault-tools.js";
import { normalConditions } from "../../../testing/index.js";

/** Faults of the ways between members. */
export const wayFaults = {
  isolate: ({ host, ms, random }, tools) =>
    tools.separate([host], tools.othersThan(host), ms, { isNotified: random.chance(0.5) }),

  /** Cuts one direction only. */
  oneWay: ({ host, ms, random }, tools) => {
    const other = random.pick(tools.othersThan(host));
    const [from, to] = random.chance(0.5) ? [host, other] : [other, host];
    tools.cut([{ from: from.name, to: to.name }], ms);
  },

  split: ({ ms, random }, tools) => {
    const left = tools.hosts.filter(() => random.chance(0.5));
    const right = tools.hosts.filter((host) => !left.includes(host));
    tools.separate(left, right, ms, { isNotified: random.chance(0.5) });
  },

  flap: ({ host, ms, random }, tools) => {
    const other = random.pick(tools.othersThan(host));
    for (let at = 0; at < ms; at += 40 + random.next() * 200) {
      const isNotified = random.chance(0.5);
      const lasts = 10 + random.next() * 100;
      tools.actAfter(at, () => tools.separate([host], [other], lasts, { isNotified }));
    }
  },

  /** Cuts and restores each direction of a member's links independently, so that elections begin in between. */
  flapOneWay: ({ host, ms, random }, tools) => {
    const pairs = tools.othersThan(host).flatMap(({ name }) => [
      { from: host.name, to: name },
      { from: name, to: host.name },
    ]);
    const mean = random.pick([20, 100, tools.electionMs]);
    for (let at = 0; at < 2 * ms; at += mean * random.next())
      tools.actAfter(at, () => tools.cut([random.pick(pairs)], 2 * mean * random.next()));
  },

  closeLinks: ({ host, random }, tools) =>
    tools.network.closeLinks(host.name, random.pick(tools.othersThan(host)).name),

  linkConditions: ({ ms, random }, tools) => {
    tools.network.conditions = {
      minDelayMs: normalConditions.minDelayMs,
      maxDelayMs: random.pick([1, 5, 30, 0.3 * tools.electionMs]),
      loss: random.pick([0, 0, 0.02, 0.2]),
      repeat: random.pick([0, 0, 0.1]),
      reorder: random.pick([0, 0, 0.1]),
    };
    tools.actAfter(ms, () => (tools.network.conditions = normalConditions));
  },
} satisfies Record<string, Injection>;
