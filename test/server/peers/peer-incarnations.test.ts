import assert from "node:assert/strict";
import test from "node:test";
import { StaleDirectoryError, StartError } from "../../../server/base/errors.js";
import { PeerIncarnations } from "../../../server/peers/peer-incarnations.js";
import type { Incarnation } from "../../../server/peers/hello.js";
import { seededRandom } from "../../../testing/random.js";
import { toMemberId } from "../../../testing/ids.js";

/** The file `peers`, which remains across restarts. */
class File {
  text: string | undefined;
  writes = 0;
  /** The error of the next write. */
  failure: Error | undefined;
  /** Called before a write ends. */
  onWrite: () => void = () => undefined;

  readPeers(): Promise<string | undefined> {
    return Promise.resolve(this.text);
  }

  async replacePeers(text: string): Promise<void> {
    await Promise.resolve();
    const { failure } = this;
    this.failure = undefined;
    if (failure !== undefined) throw failure;
    this.onWrite();
    this.text = text;
    this.writes++;
  }
}

const { next: random } = seededRandom(1);
const open = (directory: File, start = 1): Promise<PeerIncarnations> =>
  PeerIncarnations.open({ directory, self: toMemberId(0xan), start, random });

const incarnation: Incarnation = { directory: 0xd1n, start: 5, run: 0x55n };

test("a restart has the same directory id, the next number and a new run id", async () => {
  const file = new File();
  const first = await open(file);
  assert.equal(file.writes, 1, "on disk before it is announced");
  const second = await open(file, 2);
  assert.equal(second.own.directory, first.own.directory);
  assert.equal(second.own.start, 2);
  assert.notEqual(second.own.run, first.own.run);
  const emptied = await open(new File());
  assert.notEqual(emptied.own.directory, first.own.directory);
});

const incarnations: [what: string, incarnation: Incarnation, appliedStart: number, reason: RegExp | undefined][] = [
  ["the same incarnation", incarnation, 5, undefined],
  ["its next incarnation", { ...incarnation, start: 6, run: 1n }, 5, undefined],
  ["a later incarnation", { ...incarnation, start: 9, run: 1n }, 8, undefined],
  [
    "an emptied directory",
    { directory: 1n, start: 1, run: 1n },
    5,
    /^member a has seen start 5 of another data directory$/,
  ],
  [
    "another directory with as many starts",
    { directory: 1n, start: 5, run: 1n },
    5,
    /^member a has seen start 5 of another data directory$/,
  ],
  [
    "another directory with more starts",
    { directory: 1n, start: 7, run: 1n },
    5,
    /^member a has seen start 5 of another data directory$/,
  ],
  ["an older copy", { ...incarnation, start: 3, run: 1n }, 3, /^started 3 times, member a has seen 5 starts$/],
  ["an older copy of one start ago", { ...incarnation, start: 5, run: 1n }, 5, /^member a has seen another start 5$/],
  [
    "an older copy whose last start only the log contains",
    { ...incarnation, start: 6, run: 1n },
    7,
    /^started 6 times, member a has seen 7 starts$/,
  ],
];
for (const [what, next, appliedStart, reason] of incarnations)
  test(`a known peer that returns as ${what} is ${reason === undefined ? "admitted" : "refused as stale"}, also after a restart here`, async () => {
    const file = new File();
    const former = await open(file);
    assert.equal(await former.admitPeer(toMemberId(2n), incarnation), undefined);
    for (const peerIncarnations of [former, await open(file, 2)]) {
      peerIncarnations.watchLog({ incarnationOf: (member) => (member === 2n ? appliedStart : 0) });
      const refusal = await peerIncarnations.admitPeer(toMemberId(2n), next);
      assert.equal(refusal?.isStale, reason === undefined ? undefined : true);
      if (reason !== undefined) assert.match(refusal?.reason ?? "", reason);
    }
    const { writes } = file;
    assert.equal(
      await former.admitPeer(toMemberId(3n), { ...next, start: 1 }),
      undefined,
      "the first incarnation that is seen of a peer is admitted, whatever its number",
    );
    assert.equal(file.writes, writes + 1);
  });

test("a peer is admitted only once its incarnation is on disk; an unchanged one is not written again", async () => {
  const file = new File();
  const peerIncarnations = await open(file);
  let heard = false;
  file.onWrite = () => assert.equal(heard, false);
  await peerIncarnations.admitPeer(toMemberId(2n), incarnation).then(() => (heard = true));
  assert.match(file.text ?? "", /"2":\{"directory":"d1","start":5,"run":"55"\}/);
  const { writes } = file;
  assert.equal(await peerIncarnations.admitPeer(toMemberId(2n), incarnation), undefined);
  assert.equal(file.writes, writes);
});

test("a peer is refused while its incarnation cannot be written, and admitted later", async () => {
  const file = new File();
  const peerIncarnations = await open(file);
  file.failure = new Error("no space left");
  assert.deepEqual(await peerIncarnations.admitPeer(toMemberId(2n), incarnation), {
    reason: "member a cannot record the incarnation: no space left",
    isStale: false,
  });
  assert.equal(await peerIncarnations.admitPeer(toMemberId(2n), incarnation), undefined);
  assert.match(file.text ?? "", /"start":5/);
});

test("an incarnation that is replaced while it is being written is refused", async () => {
  const peerIncarnations = await open(new File());
  const former = peerIncarnations.admitPeer(toMemberId(2n), incarnation);
  const latter = peerIncarnations.admitPeer(toMemberId(2n), { ...incarnation, start: 6, run: 1n });
  assert.match((await former)?.reason ?? "", /^started 5 times, member a has seen 6 starts$/);
  assert.equal(await latter, undefined);
});

test("a fenced directory is refused at every start", async () => {
  const file = new File();
  const peerIncarnations = await open(file);
  peerIncarnations.fence("started once, member b has seen 2 starts");
  await peerIncarnations.close();
  for (const start of [2, 3])
    await assert.rejects(open(file, start), (error: unknown) => {
      assert.ok(error instanceof StaleDirectoryError);
      assert.match(error.message, /stale data directory: started once, member b has seen 2 starts: put back/);
      return true;
    });
});

test("a damaged file peers is refused at the start", async () => {
  const file = new File();
  await (await open(file)).admitPeer(toMemberId(2n), incarnation);
  const good = file.text ?? "";
  for (const bad of [
    "",
    "{}",
    "null",
    good.slice(0, -3),
    good.replace('"start":5', '"start":"5"'),
    good.replace("d1", "x"),
  ]) {
    file.text = bad;
    await assert.rejects(open(file, 2), StartError, bad);
  }
});
