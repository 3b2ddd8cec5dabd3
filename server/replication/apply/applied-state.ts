// The applier's state in the store: a small marker with each round, and rows of tables where something changed.

import { AppliedMarker, Member, SeenProposals as SeenProposalsRow } from "../../../proto/index.js";
import type { LogIndex, LogPosition, MemberId, Term } from "../../../raft/index.js";
import { DamagedError, type KvStore, type TableSource } from "../../../store/index.js";
import { Membership } from "./membership.js";
import { SeenProposals, type SeenRecord } from "./seen-proposals.js";

/** The replicated state that is not keys, and the log position that it and the store are at. */
export interface AppliedState extends LogPosition {
  readonly membership: Membership;
  readonly seen: SeenProposals;
}

/** The tables, by member id: a `Member`, and the proposals seen of it. */
const tables = { members: "members", seen: "proposals" } as const;

/** Encodes a position, as the marker of a round. */
export const encodeMarker = ({ index, term }: LogPosition): Uint8Array =>
  AppliedMarker.encode({ index: BigInt(index), term: BigInt(term) }).finish();

/** Decodes the marker of a round. */
export const decodeMarker = (marker: Uint8Array): LogPosition => {
  const { index, term } = AppliedMarker.decode(marker);
  return { index: Number(index) as LogIndex, term: Number(term) as Term };
};

/**
 * Reads the state that a store holds.
 *
 * @param marker the marker of its last round
 * @throws DamagedError if its tables are not what was written
 */
export const readAppliedState = (marker: Uint8Array, source: TableSource): AppliedState => {
  const members = readRows(source, tables.members, (id, row) => {
    const member = Member.decode(row);
    if (member.ID !== id)
      throw new DamagedError(`row ${id} of table ${tables.members}`, `it is of member ${member.ID}`);
    return member;
  });
  if (members.every(({ isLearner }) => isLearner))
    throw new DamagedError(`table ${tables.members}`, "it lists no voter");
  const seen = readRows(source, tables.seen, (member, row): SeenRecord => {
    const { incarnation, floor, bitmap } = SeenProposalsRow.decode(row);
    return { member, incarnation: Number(incarnation), floor: Number(floor), bitmap };
  });
  return { ...decodeMarker(marker), membership: new Membership(members), seen: new SeenProposals(seen) };
};

const readRows = <T>(source: TableSource, table: string, decode: (id: MemberId, row: Uint8Array) => T): T[] =>
  Array.from(source.table(table), ([key, row]) => {
    if (key.length !== 8) throw new DamagedError(`table ${table}`, "a row's key is not the id of a member");
    return decode(Buffer.from(key, "latin1").readBigUInt64BE() as MemberId, row);
  });

/** Ends a round with the whole state: the first of a store. */
export const writeAppliedState = (store: Pick<KvStore, "setRow" | "endRound">, state: AppliedState): void => {
  for (const member of state.membership.all) writeMember(store, member.ID as MemberId, member);
  for (const record of state.seen.records()) writeSeen(store, record);
  store.endRound(encodeMarker(state));
};

/** Ends a round: writes what has changed since the last one. */
export const writeChanges = (store: Pick<KvStore, "setRow" | "endRound">, state: AppliedState): void => {
  for (const [id, member] of state.membership.takeChanges()) writeMember(store, id, member);
  for (const record of state.seen.takeChanges()) writeSeen(store, record);
  store.endRound(encodeMarker(state));
};

/** @param member undefined: it was removed */
const writeMember = (store: Pick<KvStore, "setRow">, id: MemberId, member: Member | undefined): void =>
  store.setRow(tables.members, keyOf(id), member && Member.encode(member).finish());

const writeSeen = (store: Pick<KvStore, "setRow">, { member, incarnation, floor, bitmap }: SeenRecord): void => {
  const row = { incarnation: BigInt(incarnation), floor: BigInt(floor), bitmap };
  store.setRow(tables.seen, keyOf(member), SeenProposalsRow.encode(row).finish());
};

const keyOf = (id: MemberId): string => {
  const key = Buffer.alloc(8);
  key.writeBigUInt64BE(id);
  return key.toString("latin1");
};
