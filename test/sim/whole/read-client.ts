// A client that reads at all members at once, also at those that do not answer: a leader that was deposed without noticing,
// because it was frozen or cut off, has reads waiting for it that were asked after others had gone on without it.

import assert from "node:assert/strict";
import { RangeRequest, RangeResponse } from "../../../proto/index.js";
import type { Host, SeededRandom } from "../../../testing/index.js";
import { outcomeText } from "./kv-client.js";
import { bytes, checkAnswered, noteRevision, thinkingTime, type World } from "./world.js";

const method = { path: "/etcdserverpb.KV/Range", request: RangeRequest, response: RangeResponse };
const request = RangeRequest.create({ key: bytes("k"), rangeEnd: bytes("l"), countOnly: true });

/** Reads that wait at one member. Beyond this none is sent there. */
const maxWaiting = 16;
/** Long enough for a member that is frozen until others lead: in election timeouts. */
const patienceElections = 6;

export class ReadClient {
  private readonly waiting = new Map<Host, number>();
  private isCalm = false;

  constructor(
    readonly name: string,
    private readonly world: World,
    private readonly random: SeededRandom,
  ) {}

  /** Reads until the world is over. Ends at once with the first answer that is wrong. */
  async run(): Promise<void> {
    let fail: (error: unknown) => void = () => undefined;
    const failed = new Promise<never>((_, reject) => (fail = reject));
    await Promise.race([this.readAgainAndAgain(fail), failed]);
  }

  /** Reads rarely from now on. */
  calmDown(): void {
    this.isCalm = true;
  }

  private async readAgainAndAgain(fail: (error: unknown) => void): Promise<void> {
    const { world, random } = this;
    const reads = new Set<Promise<void>>();
    while (!world.isOver) {
      await world.scheduler.sleep(thinkingTime(random, this.isCalm ? 1_000 : 0.4 * world.electionMs));
      for (const host of world.hosts) {
        if ((this.waiting.get(host) ?? 0) >= maxWaiting) continue;
        const read = this.read(host)
          .catch(fail)
          .finally(() => reads.delete(read));
        reads.add(read);
      }
    }
    await Promise.all(reads);
  }

  private async read(host: Host): Promise<void> {
    const { floor, rpc, story, electionMs, isCalm, counts } = this.world;
    this.waiting.set(host, (this.waiting.get(host) ?? 0) + 1);
    const outcome = await rpc.call(host, method, request, patienceElections * electionMs);
    this.waiting.set(host, (this.waiting.get(host) ?? 0) - 1);
    const line = `${this.name} at ${host.name}: count: ${outcomeText(outcome)}`;
    story.tell(line);
    checkAnswered(isCalm, outcome, line);
    if (outcome.kind !== "ok") return;
    counts.readsEverywhere++;
    const revision = Number(outcome.response.header?.revision);
    assert.ok(
      revision >= floor,
      `stale read by ${this.name} at ${host.name}: of ${revision}, though ${floor} was known before`,
    );
    const { count } = this.world.history.rangeAt(revision, request);
    assert.equal(outcome.response.count, count, `how many keys ${host.name} has at revision ${revision}`);
    noteRevision(this.world, revision);
  }
}
