import type { MemberId } from "../../../raft/index.js";
import { maxPendingProposals } from "../../base/index.js";

/** The numbers of a proposal: member, incarnation, sequence, and the floor below which all are answered. */
export interface Envelope {
  readonly member: MemberId;
  /** Grows with each start of the member. */
  readonly incarnation: number;
  /** 1, 2, 3 … within an incarnation. */
  readonly sequence: number;
  /** The lowest sequence that was still unanswered when this one was proposed. */
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

/** A copy of one member's record that is cheap to make: most are never stored. */
export interface SeenCopy {
  readonly member: MemberId;
  /** Encodes the copy. */
  record(): SeenRecord;
}

/**
 * Tells the first copy of a proposal from its repeats, so that a proposal may be sent again when it may have been
 * lost. Part of the replicated state: every member admits and skips the same entries. Bounded: one bit for each of
 * the `maxPendingProposals` a member may have under way.
 */
export class SeenProposals {
  private readonly members = new Map<MemberId, MemberWindow>();
  /** The copies made last; undefined: something has been admitted since. */
  private copied: readonly SeenCopy[] | undefined = undefined;

  constructor(records: readonly SeenRecord[] = []) {
    for (const record of records) this.members.set(record.member, MemberWindow.restore(record));
  }

  /** Whether this is the first copy of a proposal that its member still waits for; true at most once. */
  admit(envelope: Envelope): boolean {
    this.copied = undefined;
    let window = this.members.get(envelope.member);
    if (window === undefined || envelope.incarnation > window.incarnation) {
      window = new MemberWindow(envelope.member, envelope.incarnation, envelope.floor);
      this.members.set(envelope.member, window);
    }
    return envelope.incarnation === window.incarnation && window.admit(envelope);
  }

  /** Whether no copy of the proposal will be admitted any more: one was, or its member waits for none. */
  isOver({ member, incarnation, sequence }: Omit<Envelope, "floor">): boolean {
    const window = this.members.get(member);
    if (window === undefined || incarnation > window.incarnation) return false;
    return incarnation < window.incarnation || window.isOver(sequence);
  }

  /** The newest of a member's lives that proposed something; 0: none has. */
  incarnationOf(member: MemberId): number {
    return this.members.get(member)?.incarnation ?? 0;
  }

  /** Copies all records as they are now. */
  copy(): readonly SeenCopy[] {
    if (this.copied !== undefined) return this.copied;
    const copies: SeenCopy[] = [];
    for (const window of this.members.values()) copies.push(window.copy());
    return (this.copied = copies);
  }
}

/** A copy of the part of a ring that a window uses. */
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
  /** The copy made last; undefined: the window has changed since. */
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
    // Beyond the window: no member sends that (it keeps at most that many under way), so none depends on it.
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
