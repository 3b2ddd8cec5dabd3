import { dataOf } from "../../testing/index.js";
import assert from "node:assert/strict";
import type { LogIndex, MemberId } from "../../raft/core/ids.js";
import type { Entry, ReadState, Refusal } from "../../raft/core/types.js";
import { pickSeat, type Ground, type Seat } from "./seat.js";

/** A request to one incarnation of a member that is not answered yet. */
interface Open {
  /** The least index that the answer to each read may have. */
  readonly reads: Map<number, LogIndex>;
  /** Proposals that may still be acknowledged. */
  readonly proposals: Set<number>;
}

/** Clients that write and read at a cluster, and check its answers. */
export class Clients {
  private nextNumber = 1;
  private readonly open = new Map<MemberId, Open>();
  /** Proposals whose proposer applied them: the promise to a client, and where it must stay. */
  private readonly acknowledged = new Map<number, LogIndex>();
  /** Proposals that were refused: nobody may ever see them. */
  private readonly refused = new Set<number>();
  /** The newest entry that was acknowledged. */
  last = 0 as LogIndex;

  constructor(private readonly ground: Ground) {}

  /** The number of acknowledged writes. */
  get count(): number {
    return this.acknowledged.size;
  }

  /** Somebody, somewhere, writes or reads. */
  act(): void {
    const { ground } = this;
    const { random } = ground;
    const seat = pickSeat(ground);
    if (seat.member === undefined || ground.isFrozen(seat)) return;
    if (random.chance(0.02)) this.transfer(seat);
    else if (random.chance(0.6)) this.propose(seat);
    else this.read(seat);
  }

  propose(seat: Seat): void {
    const proposal = this.nextNumber++;
    this.openAt(seat).proposals.add(proposal);
    this.ground.step(seat, { kind: "propose", proposal, data: new TextEncoder().encode(String(proposal)) });
  }

  private read(seat: Seat): void {
    const request = this.nextNumber++;
    this.openAt(seat).reads.set(request, this.last);
    this.ground.step(seat, { kind: "readIndex", request });
  }

  /** To somebody, itself, or whoever is best. */
  private transfer(seat: Seat): void {
    const { random, seats } = this.ground;
    const to = random.chance(0.5) ? undefined : random.pick(seats).id;
    this.ground.note(`${seat.id} is to transfer leadership to ${to ?? "the best follower"}`);
    seat.transferAskedAt ??= seat.ticks;
    this.ground.step(seat, { kind: "transferLeadership", to });
  }

  /** How many reads a member owes an answer. */
  countUnanswered(seat: Seat): number {
    return this.openAt(seat).reads.size;
  }

  /** Nobody who asked there is answered any more. */
  onCrash(seat: Seat): void {
    this.open.delete(seat.id);
  }

  onApplied(seat: Seat, entry: Entry): void {
    if (entry.kind !== "command") return;
    const proposal = Number(new TextDecoder().decode(entry.data));
    assert.ok(!this.refused.has(proposal), `proposal ${proposal} was refused, and applied`);
    if (!this.openAt(seat).proposals.delete(proposal)) return;
    this.acknowledged.set(proposal, entry.index);
    if (entry.index > this.last) this.last = entry.index;
  }

  /** A read sees everything that was acknowledged when it began. Raft thesis §6.4. */
  onReadAnswered(seat: Seat, { request, index }: ReadState): void {
    const { reads } = this.openAt(seat);
    const least = reads.get(request);
    assert.ok(least !== undefined, `read ${request} of member ${seat.id} was answered twice, or never asked`);
    assert.ok(index >= least, `stale read at member ${seat.id}: index ${index}, acknowledged ${least}`);
    reads.delete(request);
  }

  refuse(seat: Seat, { what, number }: Refusal): void {
    const { reads, proposals } = this.openAt(seat);
    if (what === "read") assert.ok(reads.delete(number), `read ${number} was refused twice, or never asked`);
    else {
      this.refused.add(number);
      proposals.delete(number);
    }
  }

  /** All that was acknowledged is where it was. */
  checkAtTheEnd(): void {
    for (const [proposal, index] of this.acknowledged) {
      const data = dataOf(this.ground.safety.applied[index - 1]);
      assert.equal(new TextDecoder().decode(data), String(proposal), `acknowledged proposal ${proposal} is lost`);
    }
  }

  private openAt({ id }: Seat): Open {
    let open = this.open.get(id);
    if (open === undefined) this.open.set(id, (open = { reads: new Map(), proposals: new Set() }));
    return open;
  }
}
