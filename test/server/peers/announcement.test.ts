// A starting member announces its incarnation to all reachable peers before it takes part.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import {
  type MemberId,
  type Outgoing,
  type PeerMessage,
  type Term,
  type LogIndex,
  noMember,
} from "../../../raft/index.js";
import { StaleDirectoryError } from "../../../server/base/errors.js";
import { type MemberParts, ProcessParts, type PeerNetwork } from "../../../server/member/parts.js";
import type { PeersListener, PeersOptions } from "../../../server/peers/index.js";
import { openReplica, type Replica } from "../../../server/member/replica.js";
import { quietEnvironment, singleMember, temporaryDirectory } from "../member/member-fixtures.js";
import { VirtualClock } from "../../../testing/virtual-clock.js";

/** The peers of a member, played by the test. */
class Others {
  readonly sent: Outgoing[] = [];
  /** The member that has dialled; undefined before. */
  listener: PeersListener | undefined;
  private peers: PeersOptions["peers"] = [];
  private answer: () => void = () => undefined;

  readonly connect = (options: PeersOptions): PeerNetwork => ({
    open: (listener) => {
      this.peers = options.peers;
      this.listener = listener;
      return new Promise((resolve) => (this.answer = resolve));
    },
    send: (messages) => void this.sent.push(...messages),
    sendCalls: () => undefined,
    openSnapshot: () => assert.fail("a snapshot"),
    close: () => this.answer(),
  });

  get ids(): readonly MemberId[] {
    return this.peers.map(({ id }) => id);
  }

  /** Answers for all peers. */
  allAnswer(): void {
    this.answer();
  }

  /** Asks for the member's vote. */
  askForVote(): void {
    const [from = noMember] = this.ids;
    const vote: PeerMessage = {
      kind: "vote",
      term: 7 as Term,
      lastIndex: 9 as LogIndex,
      lastTerm: 6 as Term,
      transfer: false,
    };
    this.listener?.onMessage(from, vote);
  }

  get votes(): readonly PeerMessage[] {
    return this.sent.map(({ message }) => message).filter(({ kind }) => kind === "voteReply");
  }
}

const startReplica = async (t: TestContext) => {
  const directory = await temporaryDirectory(t);
  const url = (name: string): string => `unix://${join(directory, name)}`;
  const config = singleMember(directory, { initialCluster: `default=${url("peer")},b=${url("b")},c=${url("c")}` });
  const others = new Others();
  const clock = new VirtualClock();
  const failures: Error[] = [];
  const machine = new ProcessParts();
  const parts: MemberParts = {
    disk: machine.disk,
    openBackend: (path) => machine.openBackend(path),
    connect: others.connect,
  };
  const environment = { ...quietEnvironment(), clock };
  const opening = openReplica(parts, config, environment, {
    onFailure: (error) => void failures.push(error),
    onStatusChange: () => undefined,
  });
  opening.catch(() => undefined); // the rejection is checked later
  while (others.listener === undefined) await new Promise((resolve) => setImmediate(resolve));
  return { others, clock, opening, failures };
};

/** Checks that the member grants a vote. */
const assertVotes = async ({ others, clock }: { others: Others; clock: VirtualClock }): Promise<void> => {
  others.askForVote();
  while (others.votes.length === 0) {
    clock.advance(10);
    await new Promise((resolve) => setImmediate(resolve));
  }
};

const close = (t: TestContext, replica: Replica): void => t.after(() => replica.close());

test("a starting member drops messages until all peers have answered, then votes", async (t) => {
  const { others, clock, opening } = await startReplica(t);
  others.askForVote();
  clock.advance(500);
  assert.deepEqual(others.sent, []);
  others.allAnswer();
  close(t, await opening);
  await assertVotes({ others, clock });
});

test("peers that do not answer delay a start by one second", async (t) => {
  const { others, clock, opening } = await startReplica(t);
  clock.advance(1_000);
  close(t, await opening);
  await assertVotes({ others, clock });
});

test("a member refused as stale by one peer does not start and has sent nothing", async (t) => {
  const { others, opening, failures } = await startReplica(t);
  others.askForVote();
  others.listener?.onFenced("started once, member b has seen 2 starts");
  others.allAnswer();
  await assert.rejects(opening, StaleDirectoryError);
  assert.deepEqual(others.sent, []);
  assert.equal(failures.length, 1);
});

test("a member refused as stale after its start stops", async (t) => {
  const { others, opening, failures } = await startReplica(t);
  others.allAnswer();
  close(t, await opening);
  others.listener?.onFenced("started once, member b has seen 2 starts");
  assert.match(failures[0]?.message ?? "", /stale data directory: started once, member b has seen 2 starts/);
});
