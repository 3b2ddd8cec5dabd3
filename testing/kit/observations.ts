// The state of the members of a test cluster, as their processes have it.

import type { Machine } from "./machine.js";
import type { RunningMember } from "./running-member.js";

const runningOf = (machines: readonly Machine[]): readonly RunningMember[] =>
  machines.flatMap(({ running, state }) => (running !== undefined && state === "running" ? [running] : []));

/** Returns the machine whose member leads the newest term with a majority behind it; undefined: none. */
export const leaderOf = (machines: readonly Machine[]): Machine | undefined => {
  const running = runningOf(machines);
  const terms = running.map(({ replica }) => replica.node.status().term);
  const newest = Math.max(0, ...terms);
  const leader = machines.find(({ running: member, state }) => {
    const status = member?.replica.node.status();
    return state === "running" && status?.role === "leader" && status.term === newest;
  });
  const id = leader?.running?.replica.id;
  const followers = running.filter(({ replica }) => replica.node.status().leader === id);
  return 2 * followers.length > machines.length ? leader : undefined;
};

/** Whether all members that run have applied the same, and hold the same keys. */
export const areEqual = (machines: readonly Machine[]): boolean => {
  const states = runningOf(machines).map(({ replica: { applier, store } }) => ({
    applied: applier.appliedIndex,
    revision: store.revision,
    compacted: store.compactRevision,
  }));
  const [first] = states;
  return (
    first !== undefined &&
    states.every(({ applied, revision, compacted }) => {
      return applied === first.applied && revision === first.revision && compacted === first.compacted;
    })
  );
};
