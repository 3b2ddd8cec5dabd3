import { Configuration, type ConfigurationMember } from "../../raft/core/configuration.js";
import { isLeader, type Ground, type SimMachine } from "./sim-machine.js";

/** Changes of the members of a cluster: learners are added, promoted and demoted, and members are removed. Raft thesis §4.1, §4.2.1. */
export class ClusterMembership {
  private proposed = 0;

  constructor(private readonly ground: Ground) {}

  /** Asks a leader, perhaps a deposed one, for one change. */
  change(): void {
    const { machines, random } = this.ground;
    const leaders = machines.filter(isLeader);
    if (leaders.length === 0) return;
    const leader = random.pick(leaders);
    const configuration = this.nextConfiguration(leader);
    if (configuration === undefined) return;
    this.ground.note(
      `${leader.id} is asked for voters ${configuration.voters.join()}, learners ${configuration.learners.join()}`,
    );
    this.ground.step(leader, { kind: "proposeConfiguration", proposal: --this.proposed, configuration });
  }

  /** Returns the configuration with one other member than the leader changed; undefined: no change. */
  private nextConfiguration(leader: SimMachine): Configuration | undefined {
    const { machines, random } = this.ground;
    const before = leader.member?.core.status().configuration.members ?? [];
    const { id } = random.pick(machines.filter((machine) => machine !== leader));
    const others = before.filter((member) => member.id !== id);
    const member = before.find((each) => each.id === id);
    const memberAs = (isLearner: boolean): ConfigurationMember => ({ id, isLearner, addresses: [] });
    if (member === undefined) return new Configuration([...others, memberAs(true)]);
    if (member.isLearner) return new Configuration(random.chance(0.8) ? [...others, memberAs(false)] : others);
    if (others.filter(({ isLearner }) => !isLearner).length < 2) return undefined; // leaves two voters at least
    return new Configuration(random.chance(0.5) ? [...others, memberAs(true)] : others);
  }
}
