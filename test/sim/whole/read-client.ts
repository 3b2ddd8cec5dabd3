// A client that reads from all members at once, also from those that do not answer. A leader that was frozen or cut off and does not know
// that it was deposed then has reads waiting that began after others had continued without it.

import assert from "node:assert/strict";
import { RangeRequest, RangeResponse } from "../../../proto/index.js";
import type { Host, SeededRandom } from "../../../testing/index.js";
import { outcomeText } from "./kv-client.js";
import { bytes, checkAnswered, noteRevision, thinkingTime, type World } from "./world.js";

const method = { path: "/etcdserverpb.KV/Range", request: RangeRequest, response: RangeResponse };
const request = RangeRequest.create({ key: bytes("k"), rangeEnd: bytes("l"), countOnly: true });

/** Limit of the reads that wait at one member; beyond it, the client sends none there. */
const maxWaiting = 16;
/** Timeout of a read in election timeouts: longer than a leader stays frozen until others lead. */
const patienceElections = 6;

export class ReadClient {
  private readonly waiting = new Map<Host, number>();
  private isCalm = false;

  constructor(
    readonly name: string,
    private readonly world: World,
    private readonly random: SeededRandom,
  ) {}

  /** Reads until the simulation is over; ends immediately at the first wrong answer. */
  async run(): Promise<void> {
    let fail: (error: unknown) => void = () => undefined;
    const failed = new Promise<never>((_, reject) => (fail = reject));
    await Promise.race([this.readAgainAndAgain(fail), failed]);
  }

  /** Makes the client read rarely from now on. */
  slowDown(): void {
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
    const { floor, rpc, eventLog, electionMs, isCalm, counts } = this.world;
    this.waiting.set(host, (this.waiting.get(host) ?? 0) + 1);
    const outcome = await rpc.call(host, method, request, patienceElections * electionMs);
    this.waiting.set(host, (this.waiting.get(host) ?? 0) - 1);
    const line = `${this.name} at ${host.name}: count: ${outcomeText(outcome)}`;
    eventLog.addLine(line);
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
