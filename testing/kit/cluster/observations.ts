// The state of the members of a test cluster, read from their processes.

import type { Links } from "../faults/index.js";
import type { Machine, RunningMember } from "../machine/index.js";

const runningOf = (machines: readonly Machine[]): readonly RunningMember[] =>
  machines.flatMap(({ running, state }) => (running !== undefined && state === "running" ? [running] : []));

/**
 * Returns the machine of the leader: the member that leads the newest term, and is followed by a majority to which it is connected;
 * undefined: none. A leader behind a partition leads until it notices, but commits nothing.
 */
export const leaderOf = (machines: readonly Machine[], links: Links): Machine | undefined => {
  const running = runningOf(machines);
  const terms = running.map(({ replica }) => replica.node.status().term);
  const newest = Math.max(0, ...terms);
  const leader = machines.find(({ running: member, state }) => {
    const status = member?.replica.node.status();
    return state === "running" && status?.role === "leader" && status.term === newest;
  });
  if (leader === undefined) return undefined;
  const id = leader.running?.replica.id;
  const followers = machines.filter(
    ({ name, running: member, state }) =>
      state === "running" && member?.replica.node.status().leader === id && links.isConnected(name, leader.name),
  );
  return 2 * followers.length > machines.length ? leader : undefined;
};

/** Whether all running members have applied the same entries, and have the same keys. */
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

/**
 * Compares the hashes of the keys of all running members, at one revision.
 *
 * @throws Error if members that have applied the same entries have different keys
 */
export const checkHashes = async (machines: readonly Machine[]): Promise<void> => {
  const running = machines.filter(({ running: member, state }) => member !== undefined && state === "running");
  const revision = Math.min(...running.map(({ running: member }) => member?.replica.store.revision ?? Infinity));
  const hashes = await Promise.all(
    running.map(async ({ name, running: member }) => {
      const found = await member?.replica.store.hashKv(revision);
      return { name, hash: found?.hash, compactRevision: found?.compactRevision };
    }),
  );
  const [first] = hashes;
  // The hashes differ, although the keys are the same, while not all members have applied a compaction.
  const other = hashes.find(
    ({ hash, compactRevision }) => compactRevision === first?.compactRevision && hash !== first?.hash,
  );
  if (other !== undefined)
    throw new Error(
      `Members differ: at revision ${revision}, ${first?.name} has hash ${first?.hash}, ${other.name} ${other.hash}`,
    );
};
