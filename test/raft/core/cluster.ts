// A whole cluster for tests of the core that need no faults.
import { votersOnly } from "../../../testing/entries.js";
import type { CoreLimits } from "../../../raft/core/limits.js";
import type { MemberId } from "../../../raft/core/ids.js";
import type { Outgoing, ReadState, Refusal } from "../../../raft/core/types.js";
import { createDisk, Member } from "../../sim/member.js";
import { toMemberId } from "../../../testing/ids.js";

/** Members 1…n on disks without delay; messages are delivered by `settle`. */
export class QuietCluster {
  readonly members = new Map<MemberId, Member>();
  readonly reads: ReadState[] = [];
  readonly refusals: Refusal[] = [];
  /** Messages that have been sent and not delivered. */
  readonly network: { readonly from: MemberId; readonly outgoing: Outgoing }[] = [];

  constructor(size: number, limits: Partial<CoreLimits> = {}) {
    const voters = Array.from({ length: size }, (_, i) => toMemberId(BigInt(i + 1)));
    for (const id of voters)
      this.members.set(
        id,
        new Member({
          id,
          disk: createDisk(votersOnly(...voters)),
          random: () => 0,
          limits,
          send: (outgoing) => this.network.push({ from: id, outgoing }),
          onReadState: (read) => this.reads.push(read),
          onRefusal: (refusal) => this.refusals.push(refusal),
        }),
      );
  }

  member(id: number): Member {
    const member = this.members.get(toMemberId(BigInt(id)));
    if (member === undefined) throw new Error(`no member ${id}`);
    return member;
  }

  /** Ends every write and delivers every message, until nothing is left to do. */
  settle(): void {
    for (;;) {
      for (const member of this.members.values()) while (member.writing !== undefined) member.finishWrite();
      const next = this.network.shift();
      if (next === undefined) return;
      this.members.get(next.outgoing.to)?.step({ kind: "receive", from: next.from, message: next.outgoing.message });
    }
  }

  /** Makes member 1 the leader. */
  elect(): Member {
    const first = this.member(1);
    while (first.core.status().role === "follower") first.step({ kind: "tick" });
    this.settle();
    return first;
  }
}
