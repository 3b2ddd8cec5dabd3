// Checks the members from which a lost one is rebuilt: whether each of them has lost nothing, and what they have recorded of the lost
// one.

import { type MemberId, type Survivor } from "../../raft/index.js";
import { type ClusterId, describeStale, formatId, StartError } from "../base/index.js";
import type { DirectoryFiles } from "../data-dir/index.js";
import type { Incarnation, PeersFile } from "../peers/index.js";
import { examineFiles, type MemberState } from "../verify/index.js";

/** A survivor with its directory. */
export interface SurvivingMember extends MemberState, Survivor {
  readonly dataDir: string;
  readonly files: DirectoryFiles;
}

/** The member to rebuild, as the others have recorded it. */
export interface LostMember {
  readonly clusterId: ClusterId;
  readonly memberId: MemberId;
  /** The id of its directory; undefined: no other member has met it. */
  readonly directory: bigint | undefined;
  /** The newest incarnation that any other member has recorded. */
  readonly incarnation: number;
}

/**
 * Reads the state of a member whose directory the caller has locked.
 *
 * @param temporary a folder for a copy of the store
 * @throws StartError if it has lost data, or was never started
 */
export const readSurvivor = async (
  dataDir: string,
  files: DirectoryFiles,
  temporary: string,
): Promise<SurvivingMember> => {
  const { findings, state } = await examineFiles(files, temporary);
  if (state !== undefined) return { ...state, dataDir, files };
  const wrong = findings.find(({ advice }) => advice !== undefined);
  if (wrong !== undefined)
    throw new StartError(`${dataDir} is damaged, too: ${wrong.part}: ${wrong.text}: ${refusalReason}`);
  throw new StartError(
    `no member has been started in ${dataDir} yet, or it was emptied: start the other members first`,
  );
};

const refusalReason = "an acknowledged write may be on no other member, so nothing can be rebuilt without losing it";

/**
 * Checks that these are all other members of one cluster, and that none of them is stale: emptied, or an older copy.
 *
 * @param hint the file `peers` of the lost member, if it can be read
 * @returns the missing member
 * @throws StartError
 */
export const findLostMember = (others: readonly SurvivingMember[], hint: PeersFile | undefined): LostMember => {
  const [first] = others;
  if (first === undefined)
    throw new StartError("the cluster has one member only, so no other member has its data: start an empty cluster");
  for (const other of others) {
    const { dataDir, clusterId } = other;
    if (clusterId !== first.clusterId)
      throw new StartError(`${dataDir} is of cluster ${formatId(clusterId)}, ${first.dataDir} of another one`);
    checkCurrent(other, others, hint);
  }
  const known = new Set(others.map(({ memberId }) => memberId));
  const missing = first.applied.membership.all.filter(({ ID }) => !known.has(ID as MemberId));
  const [lost] = missing;
  if (lost === undefined || missing.length > 1 || known.size < others.length)
    throw new StartError(
      `the cluster has ${first.applied.membership.all.length} members: the directories of all but one are needed, each once`,
    );
  const memberId = lost.ID as MemberId;
  const met = others.flatMap(({ peers }) => peers.incarnations.get(memberId) ?? []);
  const starts = [
    ...met.map(({ start }) => start),
    ...others.map(({ applied }) => applied.seen.incarnationOf(memberId)),
  ];
  return { clusterId: first.clusterId, memberId, directory: met[0]?.directory, incarnation: Math.max(0, ...starts) };
};

/** Checks a member's directory against all records of its incarnations. */
const checkCurrent = (
  member: SurvivingMember,
  others: readonly SurvivingMember[],
  hint: PeersFile | undefined,
): void => {
  const { dataDir, memberId, peers, incarnation } = member;
  const notes = [...others.map((other) => other.peers), ...(hint === undefined ? [] : [hint])];
  for (const { start, directory } of notes.flatMap(({ incarnations }) => incarnations.get(memberId) ?? [])) {
    if (directory !== peers.directory)
      throw new StartError(
        `${dataDir} is stale: another member has seen this member start in another directory: ${refusalReason}`,
      );
    if (start > incarnation) throw staleError(dataDir, incarnation, start);
  }
  const applied = Math.max(...others.map((other) => other.applied.seen.incarnationOf(memberId)));
  if (applied > incarnation) throw staleError(dataDir, incarnation, applied);
};

const staleError = (dataDir: string, own: number, known: number): StartError =>
  new StartError(`${dataDir} is stale: ${describeStale(own, known, "another member")}: ${refusalReason}`);

/** Returns the newest incarnation of each member that another member has recorded. */
export const recordedIncarnationsOf = (members: readonly SurvivingMember[]): Map<MemberId, Incarnation> => {
  const met = new Map<MemberId, Incarnation>();
  for (const { memberId } of members)
    for (const { peers } of members) {
      const incarnation = peers.incarnations.get(memberId);
      if (incarnation !== undefined && incarnation.start > (met.get(memberId)?.start ?? 0))
        met.set(memberId, incarnation);
    }
  return met;
};
