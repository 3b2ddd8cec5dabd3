// The state with which a member that lost its data continues, taken from all other members.
import assert from "node:assert/strict";
import test from "node:test";
import {
  logStart,
  noMember,
  type LogIndex,
  type LogPosition,
  type MemberId,
  type Term,
} from "../../../raft/core/ids.js";
import { rebuildFrom, type Survivor } from "../../../raft/core/rebuild.js";
import type { Outgoing } from "../../../raft/core/types.js";
import { votersOnly } from "../../../testing/entries.js";
import { toMemberId } from "../../../testing/ids.js";
import { Member } from "../../sim/member.js";

const positionAt = (term: number, index: number): LogPosition => ({ term: term as Term, index: index as LogIndex });
const survivor = (term: number, last: LogPosition, vote: MemberId = noMember): Survivor => ({
  hardState: { term: term as Term, vote, commit: 0 as LogIndex },
  last,
});

for (const [title, others, source] of [
  [
    "the longer log of two that end in the same term",
    [survivor(3, positionAt(2, 7)), survivor(3, positionAt(2, 8))],
    1,
  ],
  [
    "a shorter log that ends in a later term: its leader held all that was committed",
    [survivor(3, positionAt(3, 5)), survivor(3, positionAt(2, 9))],
    0,
  ],
  ["the later end, not the later term of a member", [survivor(9, positionAt(2, 7)), survivor(3, positionAt(3, 7))], 1],
  [
    "the best of four",
    [
      survivor(5, positionAt(1, 9)),
      survivor(5, positionAt(4, 2)),
      survivor(5, positionAt(4, 3)),
      survivor(5, positionAt(3, 9)),
    ],
    2,
  ],
] as const)
  test(`a rebuilt member gets ${title}`, () => {
    assert.equal(rebuildFrom(others).source, others[source]);
  });

test("a rebuilt member votes in no term that may have had a leader", () => {
  // Member 1 led term 5 with the lost vote of member 3. Member 2 knows nothing of that, and campaigns in term 5.
  const others = [survivor(5, logStart, toMemberId(1n)), survivor(4, logStart)];
  const { hardState } = rebuildFrom(others);
  assert.deepEqual(hardState, { term: 6, vote: noMember, commit: 0 });
  const sent: Outgoing[] = [];
  const base = { ...logStart, configuration: votersOnly(1n, 2n, 3n) };
  const disk = { hardState, base, entries: [], stateMachine: base };
  const rebuilt = new Member({ id: toMemberId(3n), disk, random: () => 0.5, send: (out) => sent.push(out) });
  const ask = (term: number): void => {
    const message = {
      kind: "vote",
      term: term as Term,
      lastIndex: 0 as LogIndex,
      lastTerm: 0 as Term,
      transfer: true,
    } as const;
    rebuilt.step({ kind: "receive", from: toMemberId(2n), message });
    rebuilt.finishWrite();
  };
  const answers = (): boolean[] =>
    sent.flatMap(({ message }) => (message.kind === "voteReply" ? [message.granted] : []));
  ask(5);
  assert.ok(!answers().includes(true), "a second vote in term 5");
  ask(7);
  assert.deepEqual(answers().at(-1), true);
});
