// A torn last write is repaired; any other difference from the written bytes is refused.
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import type { LogIndex, Term } from "../../../raft/core/ids.js";
import type { Batch } from "../../../raft/wal/batch.js";
import { WalDamagedError, WalVersionError } from "../../../raft/wal/errors.js";
import { sealRecord, sectorEnd } from "../../../raft/wal/record.js";
import { segmentFileName, writeSegmentHeader, type SegmentHeader } from "../../../raft/wal/segment.js";
import { seededRandom } from "../../../testing/random.js";
import {
  after,
  append,
  directory,
  emptyModel,
  entry,
  hardState,
  modelOf,
  open,
  batchesOf,
  position,
  readBytes,
  recover,
  restart,
  settle,
  writeLog,
} from "./fixtures.js";
import { commandEntry, votersOnly } from "../../../testing/entries.js";
import { SimDisk } from "../../../testing/sim-disk.js";
import { everyNth } from "../../support/thorough.js";

const sectorBytes = 512;
const segmentBytes = 4096;

/** The files of a log, now and before its last batch. */
interface Written {
  readonly batches: readonly Batch[];
  readonly files: Map<string, Uint8Array>;
  readonly before: Map<string, Uint8Array>;
  /** The file with the last batch; the offset of its record, and the end of its last sector. */
  readonly lastFile: string;
  readonly start: number;
  readonly end: number;
}

const write = async (batches: readonly Batch[]): Promise<Written> => {
  const disk = new SimDisk({ random: seededRandom(1) });
  const { wal } = await open(disk.boot(), { segmentBytes });
  for (const batch of batches.slice(0, -1)) await append(wal, batch);
  const before = disk.contents();
  let lastFile = "";
  disk.onOperation = ({ kind, path }) => {
    if (kind === "write") lastFile ||= path;
    return undefined;
  };
  await append(wal, batches.at(-1)!);
  await wal.close();
  const files = disk.contents();
  const [old, now] = [before.get(lastFile)!, files.get(lastFile)!];
  const changed = now.findIndex((byte, at) => byte !== old[at]);
  const start = changed - (changed % 16);
  const end = sectorEnd(now.findLastIndex((byte, at) => byte !== old[at]) + 1);
  return { batches, files, before, lastFile, start, end };
};

const diskWith = (files: Map<string, Uint8Array>): SimDisk => {
  const disk = new SimDisk({ random: seededRandom(1) });
  for (const [name, bytes] of files) disk.place(name, bytes);
  return disk;
};

/** Returns a disk with the same files, one of them changed. */
const diskWithChange = (
  written: Written,
  file: string,
  change: (bytes: Uint8Array) => Uint8Array | undefined,
): SimDisk => {
  const files = new Map(written.files);
  const bytes = files.get(file)!.slice();
  files.set(file, change(bytes) ?? bytes);
  return diskWith(files);
};

/** Checks that opening fails with the name of `file`, and changes nothing. */
const assertRefused = async (disk: SimDisk, file: string, hint: string): Promise<void> => {
  const touched: string[] = [];
  disk.onOperation = ({ kind }) => {
    if (["write", "rename", "remove"].includes(kind)) touched.push(kind);
    return undefined;
  };
  const opened = await recover(disk, { segmentBytes }).then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.ok(opened instanceof WalDamagedError, `${hint}: ${opened instanceof Error ? opened.message : "was accepted"}`);
  assert.equal(opened.file, file, hint);
  assert.deepEqual(touched, [], hint);
};

/** Checks that opening repairs the log and keeps all batches but the last, and that the log can be used and read again. */
const assertTorn = async (disk: SimDisk, { batches, lastFile, start }: Written, hint: string): Promise<void> => {
  const acknowledged = after(emptyModel, ...batches.slice(0, -1));
  const first = await recover(disk, { segmentBytes });
  assert.deepEqual(modelOf(first), acknowledged, hint);
  assert.equal(first.repaired?.file, lastFile, hint);
  assert.equal(first.repaired.offset, start, hint);
  const { wal, recovered } = await open(disk.boot(), { segmentBytes });
  assert.deepEqual(recovered, { ...first, repaired: undefined }, hint);
  const next: Batch = { hardState: undefined, entries: [entry(batches.length, 1, 33)] };
  await append(wal, next);
  await wal.close();
  const again = await recover(disk, { segmentBytes });
  assert.deepEqual(modelOf(again), after(acknowledged, next), hint);
  assert.equal(again.repaired, undefined, hint);
};

const segmentFile = (files: Map<string, Uint8Array>, sequence: number): string =>
  [...files.keys()].find((name) => path.basename(name).startsWith(sequence.toString(16).padStart(16, "0")))!;

// The last batch is zeros: its second sector has no bit set except the mark, and may be mistaken for a missing sector.
test("a flipped bit in a log of two segments is refused with the name of its file", async () => {
  const disk = new SimDisk({ random: seededRandom(1) });
  const zeros: Batch = { hardState: undefined, entries: [commandEntry(4, 1, new Uint8Array(700))] };
  await writeLog(disk, [...batchesOf(2, 300), { hardState: undefined, entries: [entry(3, 1)] }, zeros], {
    segmentBytes: 1536,
  });
  assert.equal(assertEveryBitCounts(disk), 2);
});

/** Flips the bits of each segment, one at a time. Returns how many segments there are. */
const assertEveryBitCounts = (disk: SimDisk): number => {
  const segments = [...disk.contents()].filter(([file]) => file.endsWith(".wal"));
  const files = segments.map(([file, bytes]) => ({ file, bytes }));
  readBytes(files);
  for (const damaged of files)
    for (const bit of everyNth(5, damaged.bytes.length * 8)) {
      const flipped = files.map(({ file, bytes }) => ({ file, bytes: bytes.slice() }));
      flipped[files.indexOf(damaged)]!.bytes[bit >> 3]! ^= 1 << (bit & 7);
      const isNamed = (error: unknown): boolean => error instanceof WalDamagedError && error.file === damaged.file;
      assert.throws(() => readBytes(flipped), isNamed, `bit ${bit} of ${damaged.file}`);
    }
  return files.length;
};

test("a flipped bit in a truncated log is refused", async () => {
  const disk = new SimDisk({ random: seededRandom(1) });
  const { wal } = await open(disk.boot(), { segmentBytes: 1536 });
  for (const batch of batchesOf(5, 500)) await append(wal, batch);
  wal.truncate(3 as LogIndex);
  await settle();
  await wal.close();
  assert.equal(assertEveryBitCounts(disk), 2);
  assert.equal((await recover(disk, { segmentBytes: 1536 })).base.index, 3);
});

test("a flipped bit in a restarted log is refused", async () => {
  const disk = new SimDisk({ random: seededRandom(1) });
  const { wal } = await open(disk.boot(), { segmentBytes: 1536 });
  await append(wal, { hardState: hardState(1), entries: [entry(1, 1)] });
  await restart(wal, position(70, 2), hardState(2));
  await append(wal, { hardState: undefined, entries: [entry(71, 2, 600)] });
  await append(wal, { hardState: undefined, entries: [entry(72, 2, 600)] });
  await wal.close();
  assert.equal(assertEveryBitCounts(disk), 2);
});

/** Three batches, the last of which begins at each kind of offset in a sector, and is short or long. */
const shapes = [0, 17, 111, 240, 290, 330, 340, 352, 368, 384, 400].flatMap((lead) =>
  [1, 100, 480, 700, 1400].map((bytes) => ({ lead, bytes })),
);

for (const { lead, bytes } of shapes)
  test(`a last batch of ${bytes} bytes after one of ${lead}, written in part, is complete, absent or torn`, async () => {
    const batches: Batch[] = [
      { hardState: hardState(1), entries: [entry(1, 1, 10)] },
      { hardState: undefined, entries: [entry(2, 1, lead)] },
      { hardState: undefined, entries: [entry(3, 1, bytes)] },
    ];
    const written = await write(batches);
    const { lastFile, start, end } = written;
    const first = start - (start % sectorBytes);
    const sectors = (end - first) / sectorBytes;
    const old = written.before.get(lastFile)!;
    for (let arrived = 0; arrived < 2 ** sectors; arrived++) {
      const disk = diskWithChange(written, lastFile, (now) => {
        for (let sector = 0; sector < sectors; sector++) {
          const at = first + sector * sectorBytes;
          if ((arrived & (1 << sector)) === 0) now.set(old.subarray(at, at + sectorBytes), at);
        }
      });
      const hint = `sectors ${arrived.toString(2)} of ${sectors}`;
      if (arrived !== 0 && arrived !== 2 ** sectors - 1) {
        await assertTorn(disk, written, hint);
        continue;
      }
      const recovered = await recover(disk, { segmentBytes });
      assert.deepEqual(modelOf(recovered), after(emptyModel, ...batches.slice(0, arrived === 0 ? -1 : 3)), hint);
      assert.equal(recovered.repaired, undefined, hint);
    }
  });

test("zeros from a sector's end on are a torn batch, zeros from elsewhere are refused", async () => {
  const batches = [...batchesOf(4, 150), { hardState: undefined, entries: [entry(5, 1, 1300)] }];
  const written = await write(batches);
  const { lastFile, start, end } = written;
  for (let cut = start - 250; cut < end; cut++) {
    const disk = diskWithChange(written, lastFile, (bytes) => void bytes.fill(0, cut));
    if (cut > start && cut % sectorBytes === 0) await assertTorn(disk, written, `zeros from ${cut}`);
    else await assertRefused(disk, lastFile, `zeros from ${cut}`);
  }
});

test("a file that is shorter or longer than its header says is refused", async () => {
  const written = await write(batchesOf(6, 100));
  const { lastFile, end } = written;
  for (let cut = 0; cut < end + 50; cut++)
    await assertRefused(
      diskWithChange(written, lastFile, (bytes) => bytes.slice(0, cut)),
      lastFile,
      `cut at ${cut}`,
    );
  const longer = diskWithChange(written, lastFile, (bytes) =>
    Uint8Array.from([...bytes, ...new Uint8Array(sectorBytes)]),
  );
  await assertRefused(longer, lastFile, "longer");
});

test("a zeroed sector is refused if a later batch was begun", async () => {
  const written = await write(batchesOf(8, 700));
  const segments = [...written.files].filter(([name]) => name.endsWith(".wal"));
  assert.equal(segments.length, 2);
  for (const [file, bytes] of segments) {
    const reach = file === written.lastFile ? written.start - (written.start % sectorBytes) : bytes.length;
    for (let at = 0; at < reach; at += sectorBytes) {
      if (bytes.subarray(at, at + sectorBytes).every((byte) => byte === 0)) continue;
      const disk = diskWithChange(written, file, (now) => void now.fill(0, at, at + sectorBytes));
      // The missing part may be the end of a segment: the next segment then does not follow, which is the error.
      const opened = await recover(disk, { segmentBytes }).catch((error: unknown) => error);
      assert.ok(opened instanceof WalDamagedError, `sector at ${at} of ${file}`);
    }
  }
});

test("a partly written last batch with a flipped bit is torn, as it was never acknowledged", async () => {
  const written = await write([...batchesOf(2), { hardState: undefined, entries: [entry(3, 1, 2000)] }]);
  const disk = diskWithChange(written, written.lastFile, (bytes) => {
    bytes.fill(0, 1024, 1536);
    bytes[1600]! ^= 1;
  });
  await assertTorn(disk, written, "torn, and more");
});

test("a segment is refused if the one before is missing or of another log", async () => {
  const written = await write(batchesOf(30, 400));
  const sequences = [1, 2, 3].map((sequence) => segmentFile(written.files, sequence));
  const [first, second, third] = sequences as [string, string, string];
  const diskWithout = (file: string): SimDisk => {
    const files = new Map(written.files);
    files.delete(file);
    return diskWith(files);
  };
  await assertRefused(diskWithout(second), third, "no second segment");

  const other = await write(batchesOf(30, 401));
  const stranger = diskWithChange(written, second, () => other.files.get(segmentFile(other.files, 2))!);
  await assertRefused(stranger, second, "a segment of another log");

  const misnamed = diskWithout(first);
  const otherName = path.join(directory, `${"0".repeat(15)}1-${"0".repeat(15)}2.wal`);
  misnamed.place(otherName, written.files.get(first)!);
  await assertRefused(misnamed, otherName, "a name that the header does not have");

  const renamed = diskWith(written.files);
  renamed.place(path.join(directory, `${"0".repeat(15)}4-${"0".repeat(15)}1.wal`), written.files.get(third)!);
  const opened = await recover(renamed, { segmentBytes }).catch((error: unknown) => error);
  assert.ok(opened instanceof WalDamagedError, "two segments of one number, or a copy under another");

  const strange = path.join(directory, "zzz.wal");
  const withStrange = diskWith(written.files);
  withStrange.place(strange, new Uint8Array(10));
  await assertRefused(withStrange, strange, "not a segment's name");
});

test("a segment that another one follows is refused if its last record is missing or incomplete", async () => {
  const full = await write(batchesOf(4, 700));
  const written = await write(batchesOf(6, 700));
  const [first, second] = [1, 2].map((sequence) => segmentFile(written.files, sequence)) as [string, string];
  assert.deepEqual(written.files.get(first), full.files.get(first), "the fourth batch ends the first segment");
  const torn = diskWithChange(written, first, (bytes) => void bytes.fill(0, full.end - sectorBytes, full.end));
  await assertRefused(torn, first, "torn, but not last");
  // The file is reset to its earlier contents entirely: only the chain of checksums shows that.
  const undone = diskWithChange(written, first, () => full.before.get(first)!);
  await assertRefused(undone, second, "undone");
});

test("a segment without its first record is refused", async () => {
  const written = await write(batchesOf(8, 700));
  const disk = diskWithChange(written, written.lastFile, (bytes) => void bytes.fill(0, sectorBytes));
  await assertRefused(disk, written.lastFile, "no first record");
});

test("a continuation sector without a record is refused", async () => {
  const written = await write([...batchesOf(1, 440), { hardState: undefined, entries: [entry(2, 1, 100)] }]);
  assert.equal(written.start % sectorBytes, 0);
  const disk = diskWithChange(written, written.lastFile, (bytes) => {
    bytes.fill(0, written.start, written.start + 13);
    bytes[written.start + 511] = 0xa5;
  });
  await assertRefused(disk, written.lastFile, "goes on with nothing");
});

interface Forgery {
  readonly type?: number;
  readonly payload?: Uint8Array;
  readonly version?: number;
  readonly beginning?: number;
  readonly header?: Partial<SegmentHeader>;
}

/** Returns a first record with one configuration: of entry 0, with voter 1. */
const payloadOf = (...entries: readonly number[]): Uint8Array =>
  Uint8Array.of(2, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, ...entries);

/** Returns the same record with a hard state: term 1, no vote, and a commit index. */
const payloadAt = (commit: number, ...entries: readonly number[]): Uint8Array =>
  Uint8Array.of(3, 1, 0, 0, 0, 0, 0, 0, 0, 0, commit, ...payloadOf(...entries).slice(1));

/** Returns a log of one segment with one record whose checksums are right, whatever its contents. */
const forge = ({
  type = 1,
  payload = payloadOf(0, 0, 0),
  version = 3,
  beginning = 0,
  header = {},
}: Forgery): SimDisk => {
  const bytes = new Uint8Array(2048);
  const name = { sequence: 1, firstIndex: 1 as LogIndex, ...header };
  writeSegmentHeader(bytes, {
    hardState: emptyModel.hardState,
    chain: 0,
    fileBytes: 2048,
    termBefore: 0 as Term,
    restarts: false,
    ...name,
  });
  const view = new DataView(bytes.buffer);
  view.setUint32(8, version);
  view.setUint32(72, beginning);
  const seed = crc32(bytes.subarray(0, 508));
  view.setUint32(508, seed);
  bytes.set(payload, 512 + 13);
  sealRecord(bytes, 512, { type, payloadBytes: payload.length, seed });
  return diskWith(new Map([[path.join(directory, segmentFileName(name)), bytes]]));
};

test("a segment with one empty batch is a valid log", async () => {
  const { hardState, base, entries } = await recover(forge({}));
  assert.deepEqual([hardState, base.index, entries], [emptyModel.hardState, 0, []]);
  assert.ok(base.configuration.isEqual(votersOnly(1n)));
});

test("a format version from before the first release is refused as a version error", async () => {
  const older = await recover(forge({ version: 2 })).catch((error: unknown) => error);
  assert.ok(older instanceof WalVersionError);
  assert.match(older.message, /format version 2 .* older minietcd/);
});

test("a record type or format version of a newer minietcd is refused as a version error", async () => {
  const newer = await recover(forge({ type: 2 })).catch((error: unknown) => error);
  assert.ok(newer instanceof WalVersionError);
  assert.match(newer.message, /record type 2 at byte 512 was written by a newer minietcd/);
  const format = await recover(forge({ version: 4 })).catch((error: unknown) => error);
  assert.ok(format instanceof WalVersionError);
  assert.match(format.message, /format version 4 .* newer minietcd/);
  const beginning = await recover(forge({ beginning: 2 })).catch((error: unknown) => error);
  assert.ok(beginning instanceof WalVersionError);
  assert.match(beginning.message, /a beginning of kind 2 .* newer minietcd/);
});

const nonsense: [string, Forgery][] = [
  ["its payload is no batch", { payload: Uint8Array.of(7) }],
  ["its payload is longer than a batch", { payload: payloadOf(0, 0, 0, 9) }],
  ["an entry leaves a gap", { payload: payloadAt(0, /* from */ 5, 1, 1, 0, 1) }],
  ["the commit index is beyond the entries", { payload: payloadAt(3, 0, 0, 0) }],
  ["it states no configuration", { payload: Uint8Array.of(0, 0, 0, 0) }],
  ["it states an empty list of configurations", { payload: Uint8Array.of(2, 0, 0, 0, 0) }],
  ["it states a configuration of a later entry", { payload: payloadOf(0, 0, 0).with(2, 1) }],
  ["it states a configuration without a voter", { payload: payloadOf(0, 0, 0).with(12, 1) }],
  ["it has a part that is not known", { payload: payloadOf(0, 0, 0).with(0, 6) }],
  ["an entry is of an unknown kind", { payload: payloadAt(0, 0, 1, 1, 0, 9) }],
  ["its first index leaves a gap", { header: { firstIndex: 5 as LogIndex } }],
  ["its header has another hard state", { header: { hardState: hardState(3) } }],
  ["its header has another term before", { header: { termBefore: 1 as Term } }],
  ["its header follows another record", { header: { chain: 77 } }],
  ["its header has another file size", { header: { fileBytes: 4096 } }],
];
for (const [what, forgery] of nonsense)
  test(`a segment with valid checksums is refused if ${what}`, async () => {
    const disk = forge(forgery);
    await assertRefused(disk, [...disk.contents().keys()][0]!, what);
  });

test("an entry with a smaller term than the entry before is refused, also as a replacement", async () => {
  const written = await write([
    { hardState: hardState(6), entries: [entry(1, 5), entry(2, 6), entry(3, 6)] },
    { hardState: undefined, entries: [entry(2, 3)] },
  ]);
  await assertRefused(diskWith(written.files), written.lastFile, "falling term");
});
