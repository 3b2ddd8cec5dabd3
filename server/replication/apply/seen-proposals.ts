import type { MemberId } from "../../../raft/index.js";
import { maxPendingProposals } from "../../base/index.js";

/** The numbers of a proposal: member, incarnation, sequence, and the floor below which all are answered. */
export interface Envelope {
  readonly member: MemberId;
  /** The member's incarnation: grows with each start. */
  readonly incarnation: number;
  /** 1, 2, 3 … within an incarnation. */
  readonly sequence: number;
  /** The lowest unanswered sequence at the time of the proposal. */
  readonly floor: number;
}

/** The record of one member's proposals, as it is stored. */
export interface SeenRecord {
  readonly member: MemberId;
  readonly incarnation: number;
  readonly floor: number;
  /** Bit n (least significant first) tells whether `floor + n` was applied. */
  readonly bitmap: Uint8Array;
}

/** A copy of one member's record, made without encoding: most copies are never stored. */
export interface SeenCopy {
  readonly member: MemberId;
  /** Encodes the copy. */
  record(): SeenRecord;
}

/**
 * Distinguishes the first copy of a proposal from its repeats, so that a member may retransmit a proposal that may be lost.
 * Part of the replicated state: every member admits and skips the same entries. Bounded: one bit for each of the
 * `maxPendingProposals` of a member.
 */
export class SeenProposals {
  private readonly members = new Map<MemberId, MemberWindow>();
  /** The newest copies; undefined: a proposal has been admitted since. */
  private copied: readonly SeenCopy[] | undefined = undefined;

  constructor(records: readonly SeenRecord[] = []) {
    for (const record of records) this.members.set(record.member, MemberWindow.restore(record));
  }

  /** Whether this is the first copy of a proposal that its member still waits for; true at most once per proposal. */
  admit(envelope: Envelope): boolean {
    this.copied = undefined;
    let window = this.members.get(envelope.member);
    if (window === undefined || envelope.incarnation > window.incarnation) {
      window = new MemberWindow(envelope.member, envelope.incarnation, envelope.floor);
      this.members.set(envelope.member, window);
    }
    return envelope.incarnation === window.incarnation && window.admit(envelope);
  }

  /** Whether no further copy of the proposal will be admitted: one was, or its member does not wait for it. */
  isOver({ member, incarnation, sequence }: Omit<Envelope, "floor">): boolean {
    const window = this.members.get(member);
    if (window === undefined || incarnation > window.incarnation) return false;
    return incarnation < window.incarnation || window.isOver(sequence);
  }

  /** The newest incarnation of a member with a proposal; 0: none. */
  incarnationOf(member: MemberId): number {
    return this.members.get(member)?.incarnation ?? 0;
  }

  /** Copies all records in their current state. */
  copy(): readonly SeenCopy[] {
    if (this.copied !== undefined) return this.copied;
    const copies: SeenCopy[] = [];
    for (const window of this.members.values()) copies.push(window.copy());
    return (this.copied = copies);
  }
}

/** A copy of the used part of a window's ring. */
class WindowCopy implements SeenCopy {
  /** @param seen a byte for each sequence from `floor` on */
  constructor(
    readonly member: MemberId,
    private readonly incarnation: number,
    private readonly floor: number,
    private readonly seen: Uint8Array,
  ) {}

  record(): SeenRecord {
    const { member, incarnation, floor, seen } = this;
    const bitmap = new Uint8Array(Math.ceil(seen.length / 8));
    for (let n = 0; n < seen.length; n++) if (seen[n] === 1) bitmap[n >> 3] = (bitmap[n >> 3] ?? 0) | (1 << (n & 7));
    return { member, incarnation, floor, bitmap };
  }
}

/** A sliding window of bits over the sequences `floor … floor + maxPendingProposals - 1`, kept as a ring. */
class MemberWindow {
  private readonly seen = new Uint8Array(maxPendingProposals);
  /** The sequence after the highest one seen. */
  private end: number;
  /** The newest copy; undefined: the window has changed since. */
  private copied: WindowCopy | undefined = undefined;

  constructor(
    private readonly member: MemberId,
    readonly incarnation: number,
    private floor: number,
  ) {
    this.end = floor;
  }

  static restore(record: SeenRecord): MemberWindow {
    const window = new MemberWindow(record.member, record.incarnation, record.floor);
    for (let n = 0; n < record.bitmap.length * 8; n++)
      if (((record.bitmap[n >> 3] ?? 0) >> (n & 7)) & 1) window.mark(record.floor + n);
    return window;
  }

  admit({ sequence, floor }: Envelope): boolean {
    this.copied = undefined;
    this.raiseFloor(floor);
    // Beyond the window: a member sends no such sequence, as it has at most `maxPendingProposals` pending.
    if (sequence < this.floor || sequence >= this.floor + maxPendingProposals) return false;
    if (this.seen[sequence % maxPendingProposals] === 1) return false;
    this.mark(sequence);
    return true;
  }

  isOver(sequence: number): boolean {
    if (sequence < this.floor) return true;
    return sequence < this.end && this.seen[sequence % maxPendingProposals] === 1;
  }

  copy(): WindowCopy {
    return (this.copied ??= new WindowCopy(this.member, this.incarnation, this.floor, this.copySeen()));
  }

  private copySeen(): Uint8Array {
    const from = this.floor % maxPendingProposals;
    const to = from + this.end - this.floor;
    if (to <= maxPendingProposals) return this.seen.slice(from, to);
    const used = new Uint8Array(to - from);
    used.set(this.seen.subarray(from));
    used.set(this.seen.subarray(0, to - maxPendingProposals), maxPendingProposals - from);
    return used;
  }

  private mark(sequence: number): void {
    this.seen[sequence % maxPendingProposals] = 1;
    this.end = Math.max(this.end, sequence + 1);
  }

  private raiseFloor(floor: number): void {
    if (floor <= this.floor) return;
    const cleared = Math.min(floor, this.end);
    for (let sequence = this.floor; sequence < cleared; sequence++) this.seen[sequence % maxPendingProposals] = 0;
    this.floor = floor;
    this.end = Math.max(this.end, floor);
  }
}
