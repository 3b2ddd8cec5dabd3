import { dataOf } from "../../testing/index.js";
import assert from "node:assert/strict";
import type { LogIndex, MemberId } from "../../raft/core/ids.js";
import type { Entry, ReadState, Refusal } from "../../raft/core/types.js";
import { pickMachine, type Ground, type SimMachine } from "./sim-machine.js";

/** The unanswered requests to one incarnation of a member. */
interface Open {
  /** The lowest index that the answer to each read may have. */
  readonly reads: Map<number, LogIndex>;
  /** Proposals that may still be acknowledged. */
  readonly proposals: Set<number>;
}

/** Clients that write to and read from a cluster, and check its answers. */
export class Clients {
  private nextNumber = 1;
  private readonly open = new Map<MemberId, Open>();
  /** The index of each proposal that its proposer has applied, and so acknowledged; it must stay there. */
  private readonly acknowledged = new Map<number, LogIndex>();
  /** Proposals that were refused: none may ever be applied. */
  private readonly refused = new Set<number>();
  /** The newest acknowledged entry. */
  last = 0 as LogIndex;

  constructor(private readonly ground: Ground) {}

  /** The number of acknowledged writes. */
  get count(): number {
    return this.acknowledged.size;
  }

  /** Has a random client write, read or transfer leadership at a random member. */
  act(): void {
    const { ground } = this;
    const { random } = ground;
    const machine = pickMachine(ground);
    if (machine.member === undefined || ground.isFrozen(machine)) return;
    if (random.chance(0.02)) this.transfer(machine);
    else if (random.chance(0.6)) this.propose(machine);
    else this.read(machine);
  }

  propose(machine: SimMachine): void {
    const proposal = this.nextNumber++;
    this.openAt(machine).proposals.add(proposal);
    this.ground.step(machine, { kind: "propose", proposal, data: new TextEncoder().encode(String(proposal)) });
  }

  private read(machine: SimMachine): void {
    const request = this.nextNumber++;
    this.openAt(machine).reads.set(request, this.last);
    this.ground.step(machine, { kind: "readIndex", request });
  }

  /** Transfers leadership to a random member, the leader itself, or the one that the leader picks. */
  private transfer(machine: SimMachine): void {
    const { random, machines } = this.ground;
    const to = random.chance(0.5) ? undefined : random.pick(machines).id;
    this.ground.note(`${machine.id} is to transfer leadership to ${to ?? "the best follower"}`);
    machine.transferAskedAt ??= machine.ticks;
    this.ground.step(machine, { kind: "transferLeadership", to });
  }

  /** Returns the number of unanswered reads at a member. */
  countUnanswered(machine: SimMachine): number {
    return this.openAt(machine).reads.size;
  }

  /** Forgets the requests to a crashed member, which will not be answered. */
  onCrash(machine: SimMachine): void {
    this.open.delete(machine.id);
  }

  onApplied(machine: SimMachine, entry: Entry): void {
    if (entry.kind !== "command") return;
    const proposal = Number(new TextDecoder().decode(entry.data));
    assert.ok(!this.refused.has(proposal), `proposal ${proposal} was refused, and applied`);
    if (!this.openAt(machine).proposals.delete(proposal)) return;
    this.acknowledged.set(proposal, entry.index);
    if (entry.index > this.last) this.last = entry.index;
  }

  /** Checks that a read sees everything that was acknowledged when it began. Raft thesis §6.4. */
  onReadAnswered(machine: SimMachine, { request, index }: ReadState): void {
    const { reads } = this.openAt(machine);
    const least = reads.get(request);
    assert.ok(least !== undefined, `read ${request} of member ${machine.id} was answered twice, or never asked`);
    assert.ok(index >= least, `stale read at member ${machine.id}: index ${index}, acknowledged ${least}`);
    reads.delete(request);
  }

  refuse(machine: SimMachine, { kind, number }: Refusal): void {
    const { reads, proposals } = this.openAt(machine);
    if (kind === "read") assert.ok(reads.delete(number), `read ${number} was refused twice, or never asked`);
    else {
      this.refused.add(number);
      proposals.delete(number);
    }
  }

  /** Checks that all acknowledged proposals are at their indexes. */
  checkAtTheEnd(): void {
    for (const [proposal, index] of this.acknowledged) {
      const data = dataOf(this.ground.safety.applied[index - 1]);
      assert.equal(new TextDecoder().decode(data), String(proposal), `acknowledged proposal ${proposal} is lost`);
    }
  }

  private openAt({ id }: SimMachine): Open {
    let open = this.open.get(id);
    if (open === undefined) this.open.set(id, (open = { reads: new Map(), proposals: new Set() }));
    return open;
  }
}
