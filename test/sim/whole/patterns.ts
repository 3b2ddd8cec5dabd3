// Faults that strike repeatedly at the same moments of all members. Single faults hardly ever occur in the order that breaks consensus.

import type { FaultTools, Injection } from "./fault-tools.js";
import { crashes, moveLeader } from "./member-faults.js";
import { moments } from "../../../testing/index.js";

export const patterns = {
  /**
   * Lets leaders reach only some members, and only for a short time: terms follow quickly, and logs end in entries that few members have.
   * Raft paper, figure 8.
   */
  shortReigns: ({ ms, random }, tools) => {
    const { electionMs } = tools;
    const lasts = Math.max(ms, 2 * electionMs);
    slowDisks(lasts, tools);
    tools.actAtEveryMoment("lead", lasts, (leader) => {
      if (random.chance(0.1)) return;
      const reignMs = random.pick([2, 30, 0.5 * electionMs]) * random.next();
      const deaf = tools.othersThan(leader).filter(() => random.chance(0.5));
      tools.separate([leader], deaf, reignMs + 0.5 * electionMs * random.next());
      if (random.chance(0.8))
        tools.actAfter(reignMs, () =>
          tools.crash(leader, random.pick(crashes), random.pick([10, 300]) * random.next()),
        );
    });
  },

  /** Cuts the power of voters just after their votes, and cuts the links of the members that they elected. Raft paper, §5.2. */
  lostVotes: ({ ms, random }, tools) => {
    const { electionMs } = tools;
    const lasts = Math.max(ms, 2 * electionMs);
    slowDisks(lasts, tools);
    for (const moment of ["send vote", "send voteReply"] as const)
      tools.actAtEveryMoment(moment, lasts, (voter) => {
        if (random.chance(0.6))
          tools.actAfter(2 * random.next(), () => tools.crash(voter, "powerCut", 20 * random.next()));
      });
    tools.actAtEveryMoment("lead", lasts, (leader) => {
      if (random.chance(0.7)) tools.separate([leader], tools.othersThan(leader), electionMs * (0.3 + random.next()));
    });
  },

  /** Delays a candidate's requests so long that terms and logs have changed when they arrive. Raft paper, §5.4.1. */
  lateVotes: ({ host, ms, random }, tools) => {
    const { electionMs } = tools;
    tools.actAtEveryMoment("send vote", Math.max(ms, 3 * electionMs), (candidate) => {
      const ways = tools.othersThan(candidate).map(({ name }) => ({ from: candidate.name, to: name }));
      if (random.chance(0.7)) tools.cut(ways, electionMs * (0.2 + 1.3 * random.next()));
    });
    const leader = tools.anyLeader(random);
    if (leader !== undefined) moveLeader(leader, host, tools);
  },

  /** Silences a leader that alone knows that an entry is committed. The next leader has the entry, and must learn that. Raft paper, §8. */
  lostCommits: ({ ms, random }, tools) => {
    const { electionMs } = tools;
    const lasts = Math.max(ms, 3 * electionMs);
    slowDisks(lasts, tools);
    tools.actAtEveryMoment("apply first", lasts, (leader) => {
      const ways = tools.othersThan(leader).map(({ name }) => ({ from: leader.name, to: name }));
      if (random.chance(0.2)) tools.cut(ways, electionMs * (1 + random.next()));
    });
  },

  /** Injects the same fault at the same moment of all members. */
  pattern: ({ ms, random }, tools) => {
    const moment = random.pick(moments);
    const deed = random.pick(["kill", "powerCut", "pause", "isolate", "mute", "deafen", "closeLinks"] as const);
    const chance = random.pick([0.05, 0.3, 0.8]);
    const [afterMs, forMs] = [random.pick([0, 2]), random.pick([5, 50, tools.electionMs])];
    tools.eventLog.addLine(`the pattern: ${deed} at ${moment}`);
    tools.actAtEveryMoment(moment, 2 * ms, (host) => {
      if (!random.chance(chance)) return;
      const others = tools.othersThan(host);
      const act = (): void => {
        const lasts = forMs * (0.2 + random.next());
        switch (deed) {
          case "kill":
          case "powerCut":
            return tools.crash(host, deed, lasts);
          case "pause":
            return tools.pause(host, lasts);
          case "isolate":
            return tools.separate([host], others, lasts);
          case "mute":
            return tools.cut(
              others.map(({ name }) => ({ from: host.name, to: name })),
              lasts,
            );
          case "deafen":
            return tools.cut(
              others.map(({ name }) => ({ from: name, to: host.name })),
              lasts,
            );
          case "closeLinks":
            return tools.network.closeLinks(host.name, random.pick(others).name);
        }
      };
      if (afterMs === 0) act();
      else tools.actAfter(afterMs * random.next(), act);
    });
  },
} satisfies Record<string, Injection>;

/** Makes writes slower than messages, so that terms, votes and entries are in progress when messages arrive. */
const slowDisks = (ms: number, tools: FaultTools): void => {
  for (const host of tools.hosts) {
    host.disk.maxMs = 20;
    tools.actAfter(ms, () => (host.disk.maxMs = 1));
  }
};
