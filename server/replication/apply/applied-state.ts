// The applier's state in the store: a small marker and rows of tables, both written with each round.

import { AlarmMember, AppliedMarker, Member, SeenProposals as SeenProposalsRow } from "../../../proto/index.js";
import type { LogIndex, LogPosition, MemberId, Term } from "../../../raft/index.js";
import { AuthState, readAuthRows } from "../../auth/index.js";
import {
  DamagedError,
  type KvStore,
  type RoundState,
  type RowList,
  type TableRow,
  type TableSource,
} from "../../../store/index.js";
import { Alarms } from "./alarms.js";
import { Membership } from "./membership.js";
import { type SeenCopy, SeenProposals, type SeenRecord } from "./seen-proposals.js";

/** The replicated state other than keys, and the log position of this state and of the store. */
export interface AppliedState extends LogPosition {
  readonly membership: Membership;
  readonly seen: SeenProposals;
  readonly alarms: Alarms;
  readonly auth: AuthState;
}

/**
 * The tables: by member id a `Member`, and a record of the member's seen proposals; by member id and type an `AlarmMember`. A
 * store of a version without alarms has no rows of alarms. The tables of users and roles belong to `AuthState`.
 */
const tables = { members: "members", seen: "proposals", alarms: "alarms" } as const;

/** Encodes a position, as the marker of a round. */
export const encodeMarker = ({ index, term }: LogPosition): Uint8Array =>
  AppliedMarker.encode({ index: BigInt(index), term: BigInt(term) }).finish();

/** Decodes the marker of a round. */
export const decodeMarker = (marker: Uint8Array): LogPosition => {
  const { index, term } = AppliedMarker.decode(marker);
  return { index: Number(index) as LogIndex, term: Number(term) as Term };
};

/**
 * Reads the state from a store.
 *
 * @param marker the marker of the store's last round
 * @throws DamagedError if a table cannot be decoded
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
  const alarms = Array.from(source.table(tables.alarms).values(), (row) => AlarmMember.decode(row));
  return {
    ...decodeMarker(marker),
    membership: new Membership(members),
    seen: new SeenProposals(seen),
    alarms: new Alarms(alarms),
    auth: new AuthState(readAuthRows(source)),
  };
};

const readRows = <T>(source: TableSource, table: string, decode: (id: MemberId, row: Uint8Array) => T): T[] =>
  Array.from(source.table(table), ([key, row]) => {
    if (key.length !== 8) throw new DamagedError(`table ${table}`, "a row's key is not the id of a member");
    return decode(Buffer.from(key, "latin1").readBigUInt64BE() as MemberId, row);
  });

/** Ends a round with the current state. */
export const writeAppliedState = (store: Pick<KvStore, "endRound">, state: AppliedState): void =>
  store.endRound(new EndedState(state, state.membership.all, state.seen.copy(), state.alarms.all, state.auth.rows));

/** The state at the end of a round; encoded when the round is written. */
class EndedState implements RoundState {
  private readonly position: LogPosition;

  constructor(
    { index, term }: LogPosition,
    private readonly members: readonly Member[],
    private readonly seen: readonly SeenCopy[],
    private readonly alarms: readonly AlarmMember[],
    private readonly auth: readonly TableRow[],
  ) {
    this.position = { index, term };
  }

  marker(): Uint8Array {
    return encodeMarker(this.position);
  }

  rowLists(): readonly RowList[] {
    return [memberRows(this.members), this.seen.map(seenRow), alarmRows(this.alarms), this.auth];
  }
}

/** Returns a function that encodes a list once: lists of members and alarms are replaced by each change, not changed themselves. */
const encodeOnce = <T>(encode: (item: T) => TableRow): ((items: readonly T[]) => RowList) => {
  const encoded = new WeakMap<readonly T[], RowList>();
  return (items) => {
    const known = encoded.get(items);
    if (known !== undefined) return known;
    const rows = items.map(encode);
    encoded.set(items, rows);
    return rows;
  };
};

const memberRow = (member: Member): TableRow => ({
  table: tables.members,
  key: keyOf(member.ID),
  row: Member.encode(member).finish(),
});

const seenRow = (copy: SeenCopy): TableRow => {
  const { member, incarnation, floor, bitmap } = copy.record();
  const row = { incarnation: BigInt(incarnation), floor: BigInt(floor), bitmap };
  return { table: tables.seen, key: keyOf(member), row: SeenProposalsRow.encode(row).finish() };
};

const alarmRow = (active: AlarmMember): TableRow => ({
  table: tables.alarms,
  key: keyOf(active.memberID) + String.fromCharCode(active.alarm),
  row: AlarmMember.encode(active).finish(),
});

const memberRows = encodeOnce(memberRow);
const alarmRows = encodeOnce(alarmRow);

const keyOf = (id: bigint): string => {
  const key = Buffer.alloc(8);
  key.writeBigUInt64BE(id);
  return key.toString("latin1");
};
