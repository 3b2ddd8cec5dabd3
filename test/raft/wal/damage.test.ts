// A power cut during the last write is repaired; anything else that is not as it was written is refused.
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import type { Batch } from "../../../raft/wal/batch.js";
import { WalDamagedError, WalVersionError } from "../../../raft/wal/errors.js";
import { recoverLog } from "../../../raft/wal/recovery.js";
import { nextRecordAt, recordEnd, sealRecord, sectorEnd } from "../../../raft/wal/record.js";
import { writeSegmentHeader } from "../../../raft/wal/segment.js";
import { seededRandom } from "../../sim/random.js";
import {
  after,
  append,
  directory,
  emptyModel,
  entry,
  hardState,
  modelOf,
  open,
  plainBatches,
  recover,
  writeLog,
} from "./fixtures.js";
import { SimDisk } from "./sim-disk.js";

const sectorBytes = 512;
const segmentBytes = 4096;

/** The files of a log, and how they were before its last batch. */
interface Written {
  readonly batches: readonly Batch[];
  readonly files: Map<string, Uint8Array>;
  readonly before: Map<string, Uint8Array>;
  /** The file that holds the last batch, and where its record begins and the last sector of it ends. */
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

/** The same files with one of them changed. */
const changed = (written: Written, file: string, change: (bytes: Uint8Array) => Uint8Array | undefined): SimDisk => {
  const files = new Map(written.files);
  const bytes = files.get(file)!.slice();
  files.set(file, change(bytes) ?? bytes);
  return diskWith(files);
};

/** Opening fails, names `file`, and leaves everything untouched. */
const assertRefused = async (disk: SimDisk, file: string, hint: string): Promise<void> => {
  const touched: string[] = [];
  disk.onOperation = ({ kind }) => {
    if (["write", "datasync", "rename", "remove"].includes(kind)) touched.push(kind);
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

/** Opening repairs, keeps all batches but the last, and the log can be used and read again. */
const assertTorn = async (disk: SimDisk, { batches, lastFile, start }: Written, hint: string): Promise<void> => {
  const acknowledged = after(emptyModel, ...batches.slice(0, -1));
  const { wal, recovered } = await open(disk.boot(), { segmentBytes });
  assert.deepEqual(modelOf(recovered), acknowledged, hint);
  assert.equal(recovered.repaired?.file, lastFile, hint);
  assert.equal(recovered.repaired.offset, start, hint);
  const next: Batch = { hardState: undefined, entries: [entry(batches.length, 1, 33)] };
  await append(wal, next);
  await wal.close();
  const again = await recover(disk, { segmentBytes });
  assert.deepEqual(modelOf(again), after(acknowledged, next), hint);
  assert.equal(again.repaired, undefined, hint);
};

const segmentFile = (files: Map<string, Uint8Array>, sequence: number): string =>
  [...files.keys()].find((name) => path.basename(name).startsWith(sequence.toString(16).padStart(16, "0")))!;

// The last batch is zeros: its second sector has nothing set but the mark, and may be mistaken for one that is missing.
test("every flipped bit of a log of two segments is refused, by the name of its file", async () => {
  const disk = new SimDisk({ random: seededRandom(1) });
  const zeros: Batch = { hardState: undefined, entries: [{ ...entry(4, 1), data: new Uint8Array(700) }] };
  await writeLog(disk, [...plainBatches(2, 300), { hardState: undefined, entries: [entry(3, 1)] }, zeros], {
    segmentBytes: 1536,
  });
  const segments = [...disk.contents()].filter(([file]) => file.endsWith(".wal"));
  const files = segments.map(([file, bytes]) => ({ file, bytes }));
  assert.equal(files.length, 2);
  for (const damaged of files)
    for (let bit = 0; bit < damaged.bytes.length * 8; bit++) {
      const flipped = files.map(({ file, bytes }) => ({ file, bytes: bytes.slice() }));
      flipped[files.indexOf(damaged)]!.bytes[bit >> 3]! ^= 1 << (bit & 7);
      const isNamed = (error: unknown): boolean => error instanceof WalDamagedError && error.file === damaged.file;
      assert.throws(() => recoverLog(flipped), isNamed, `bit ${bit} of ${damaged.file}`);
    }
});

/** The last batch of three begins at each place of a sector, and is short or long. */
const shapes = [0, 17, 111, 240, 290, 330, 340, 352, 368, 384, 400].flatMap((lead) =>
  [1, 100, 480, 700, 1400].map((bytes) => ({ lead, bytes })),
);

for (const { lead, bytes } of shapes)
  test(`any part of the sectors of a last batch of ${bytes} bytes after one of ${lead} is all, nothing or torn`, async () => {
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
      const disk = changed(written, lastFile, (now) => {
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

test("zeros from any byte of the last batches on: torn where sectors end, else refused, and nothing more is lost", async () => {
  const batches = [...plainBatches(4, 150), { hardState: undefined, entries: [entry(5, 1, 1300)] }];
  const written = await write(batches);
  const { lastFile, start, end } = written;
  for (let cut = start - 250; cut < end; cut++) {
    const disk = changed(written, lastFile, (bytes) => void bytes.fill(0, cut));
    if (cut > start && cut % sectorBytes === 0) await assertTorn(disk, written, `zeros from ${cut}`);
    else await assertRefused(disk, lastFile, `zeros from ${cut}`);
  }
});

test("a file that is cut short anywhere, or longer than it was, is refused", async () => {
  const written = await write(plainBatches(6, 100));
  const { lastFile, end } = written;
  for (let cut = 0; cut < end + 50; cut++)
    await assertRefused(
      changed(written, lastFile, (bytes) => bytes.slice(0, cut)),
      lastFile,
      `cut at ${cut}`,
    );
  const longer = changed(written, lastFile, (bytes) => Uint8Array.from([...bytes, ...new Uint8Array(sectorBytes)]));
  await assertRefused(longer, lastFile, "longer");
});

test("a sector that turned into zeros is refused if any later batch was begun", async () => {
  const written = await write(plainBatches(8, 700));
  const segments = [...written.files].filter(([name]) => name.endsWith(".wal"));
  assert.equal(segments.length, 2);
  for (const [file, bytes] of segments) {
    const reach = file === written.lastFile ? written.start - (written.start % sectorBytes) : bytes.length;
    for (let at = 0; at < reach; at += sectorBytes) {
      if (bytes.subarray(at, at + sectorBytes).every((byte) => byte === 0)) continue;
      const disk = changed(written, file, (now) => void now.fill(0, at, at + sectorBytes));
      // The end of a segment may be what is missing: the next one then tells, as it does not follow.
      const opened = await recover(disk, { segmentBytes }).catch((error: unknown) => error);
      assert.ok(opened instanceof WalDamagedError, `sector at ${at} of ${file}`);
    }
  }
});

test("two halves of a batch with a flipped bit between them are torn: what arrived of it was never acknowledged", async () => {
  const written = await write([...plainBatches(2), { hardState: undefined, entries: [entry(3, 1, 2000)] }]);
  const disk = changed(written, written.lastFile, (bytes) => {
    bytes.fill(0, 1024, 1536);
    bytes[1600]! ^= 1;
  });
  await assertTorn(disk, written, "torn, and more");
});

test("a segment is refused if the one before it is missing, or another log's", async () => {
  const written = await write(plainBatches(30, 400));
  const sequences = [1, 2, 3].map((sequence) => segmentFile(written.files, sequence));
  const [first, second, third] = sequences as [string, string, string];
  const without = (file: string): SimDisk => {
    const files = new Map(written.files);
    files.delete(file);
    return diskWith(files);
  };
  await assertRefused(without(first), second, "no first segment");
  await assertRefused(without(second), third, "no second segment");

  const other = await write(plainBatches(30, 401));
  const stranger = changed(written, second, () => other.files.get(segmentFile(other.files, 2))!);
  await assertRefused(stranger, second, "a segment of another log");

  const renamed = diskWith(written.files);
  renamed.place(path.join(directory, `${"0".repeat(15)}4-${"0".repeat(15)}1.wal`), written.files.get(third)!);
  const opened = await recover(renamed, { segmentBytes }).catch((error: unknown) => error);
  assert.ok(opened instanceof WalDamagedError, "two segments of one number, or a copy under another");

  const strange = path.join(directory, "zzz.wal");
  const withStrange = diskWith(written.files);
  withStrange.place(strange, new Uint8Array(10));
  await assertRefused(withStrange, strange, "not a segment's name");
});

test("a segment whose end was undone is refused: the next one does not follow", async () => {
  const written = await write(plainBatches(30, 400));
  const first = segmentFile(written.files, 1);
  // All of the last record of the first segment back to zeros, with the mark of the sector it begins in as it was.
  const bytes = written.files.get(first)!;
  const end = sectorEnd(bytes.findLastIndex((byte) => byte !== 0) + 1);
  const disk = changed(written, first, (now) => void now.fill(0, end - sectorBytes, end));
  const opened = await recover(disk, { segmentBytes }).catch((error: unknown) => error);
  assert.ok(opened instanceof WalDamagedError);
});

/** A log of one segment with one record of any type and payload, correctly sealed. */
const forged = (type: number, payload: Uint8Array, version?: number): SimDisk => {
  const bytes = new Uint8Array(2048);
  const header = { sequence: 1, firstIndex: 1, hardState: emptyModel.hardState, chain: 0, fileBytes: 2048 };
  let seed = writeSegmentHeader(bytes, header as never);
  if (version !== undefined) {
    new DataView(bytes.buffer).setUint32(8, version);
    seed = crc32(bytes.subarray(0, 508));
    new DataView(bytes.buffer).setUint32(508, seed);
  }
  bytes.set(payload, 512 + 13);
  sealRecord(bytes, 512, { type, payloadBytes: payload.length, seed });
  assert.ok(nextRecordAt(recordEnd(512, 13 + payload.length)) < 2048);
  return diskWith(new Map([[path.join(directory, `${"0".repeat(15)}1-${"0".repeat(15)}1.wal`), bytes]]));
};

test("a record type or a format version of a newer minietcd is refused as such, and not as damage", async () => {
  const newer = await recover(forged(2, Uint8Array.of(1, 2, 3))).catch((error: unknown) => error);
  assert.ok(newer instanceof WalVersionError);
  assert.match(newer.message, /record type 2 at byte 512 was written by a newer minietcd/);
  const format = await recover(forged(1, Uint8Array.of(0, 0, 0, 0), 2)).catch((error: unknown) => error);
  assert.ok(format instanceof WalVersionError);
  assert.match(format.message, /format version 2 .* newer minietcd/);
});

const nonsense: [string, Uint8Array][] = [
  ["no batch", Uint8Array.of(7)],
  ["a batch and more", Uint8Array.of(0, 0, 0, 0, 9)],
  ["an entry far ahead", Uint8Array.of(1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* from */ 5, 1, 1, 0, 0)],
  ["a commit index without entries", Uint8Array.of(1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0)],
];
for (const [what, payload] of nonsense)
  test(`a whole record that says ${what} is refused`, async () => {
    const disk = forged(1, payload);
    await assertRefused(disk, [...disk.contents().keys()][0]!, what);
  });
