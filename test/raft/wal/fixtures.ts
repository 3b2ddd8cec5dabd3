// Logs to write, and the naive model of the contents that must be read back.
import assert from "node:assert/strict";
import { noMember, type LogIndex, type MemberId, type Term } from "../../../raft/core/ids.js";
import type { LogBase } from "../../../raft/core/configuration.js";
import { votersOnly } from "../../../testing/entries.js";
import type { CommandEntry, Entry, HardState } from "../../../raft/core/types.js";
import type { Batch } from "../../../raft/wal/batch.js";
import type { Disk } from "../../../platform/disk.js";
import { LogReader, type RecoveredLog, type Recovery } from "../../../raft/wal/recovery.js";
import { separateObsolete, readHead } from "../../../raft/wal/segment-files.js";
import { openWal, type OpenOptions } from "../../../raft/wal/open.js";
import type { WalListener } from "../../../raft/wal/wal-listener.js";
import type { Wal } from "../../../raft/wal/wal.js";
import type { SimDisk } from "../../../testing/sim-disk.js";

export const directory = "/member/wal";

/** Returns an entry whose bytes differ from those of all other entries, and are not zero. */
export const entry = (index: number, term: number, bytes = 20): CommandEntry => ({
  kind: "command",
  index: index as LogIndex,
  term: term as Term,
  data: Uint8Array.from({ length: bytes }, (_, at) => 1 + ((index * 31 + term * 7 + at * 13) % 255)),
});

export const hardState = (term: number, vote: bigint = noMember, commit = 0): HardState => ({
  term: term as Term,
  vote: vote as MemberId,
  commit: commit as LogIndex,
});

/** The contents of a log. */
export interface Model {
  readonly hardState: HardState;
  /** The position before `entries[0]`. */
  readonly base: LogBase;
  readonly entries: readonly Entry[];
}

/** The configuration of logs whose entries do not change it. */
export const initial = votersOnly(1n, 2n, 3n);

export const position = (index: number, term: number): LogBase => ({
  index: index as LogIndex,
  term: term as Term,
  configuration: initial,
});

export const emptyModel: Model = { hardState: hardState(0), base: position(0, 0), entries: [] };

export const after = (model: Model, ...batches: readonly Batch[]): Model =>
  batches.reduce<Model>(
    ({ base, ...before }, { hardState = before.hardState, entries }) => ({
      hardState,
      base,
      entries:
        entries[0] === undefined
          ? before.entries
          : [...before.entries.slice(0, entries[0].index - base.index - 1), ...entries],
    }),
    model,
  );

/** Returns the model without the entries up to `index`. */
export const truncateModel = ({ hardState, base, entries }: Model, index: number): Model => {
  const last = entries[index - base.index - 1];
  if (last === undefined) return { hardState, base, entries };
  return { hardState, base: position(index, last.term), entries: entries.slice(index - base.index) };
};

/** Returns the model of a log that was restarted at `base`. */
export const restartModel = ({ hardState }: Model, base: LogBase): Model => ({
  hardState: { ...hardState, commit: base.index },
  base,
  entries: [],
});

export const modelOf = ({ hardState, base, entries }: RecoveredLog): Model => ({ hardState, base, entries });

/** Checks that the contents read are `model`, except for truncated entries that may still be there. */
export const assertRead = (read: Model, model: Model, hint?: string): void => {
  assert.ok(read.base.index <= model.base.index, `${hint ?? ""} begins after ${read.base.index}, too late`);
  assert.deepEqual(truncateModel(read, model.base.index), model, hint);
};

export const isRead = (read: Model, model: Model): boolean => {
  try {
    assertRead(read, model);
    return true;
  } catch {
    return false;
  }
};

/** Returns batches of one entry with `bytes` of data, whose commit index is one behind. */
export const batchesOf = (count: number, bytes = 20): Batch[] =>
  Array.from({ length: count }, (_, at) => ({
    hardState: hardState(1, 0xfedc_ba98_7654_3210n, at),
    entries: [entry(at + 1, 1, bytes)],
  }));

export const failTest = (error: Error): void => assert.fail(error);

export const open = (
  disk: Disk,
  {
    onFailure = failTest,
    onFull = () => undefined,
    onRemovalFailure = () => undefined,
    ...options
  }: Partial<OpenOptions & WalListener> = {},
): Promise<{ readonly wal: Wal; readonly recovered: RecoveredLog }> => {
  const listener = { onFailure, onFull, onRemovalFailure };
  return openWal({
    disk,
    directory,
    loadInitialConfiguration: () => Promise.resolve(initial),
    segmentBytes: 2048,
    listener,
    ...options,
  });
};

export const append = (wal: Wal, { hardState, entries }: Batch): Promise<void> =>
  new Promise((resolve) => wal.append(hardState, entries, resolve));

export const restart = (wal: Wal, base: LogBase, state: HardState): Promise<void> =>
  new Promise((resolve) => wal.restart(base, state, resolve));

/** Reads a log from the bytes of its files. */
export const readBytes = (files: readonly { readonly file: string; readonly bytes: Uint8Array }[]): Recovery => {
  const { segments } = separateObsolete(files.map(({ file, bytes }) => readHead(file, bytes)));
  const reader = new LogReader(segments);
  for (const { file } of segments) reader.readNextSegment(files.find((each) => each.file === file)!.bytes.slice());
  return reader.result() ?? assert.fail("no segments");
};

/** Writes `batches` into the log on `disk`, after its present contents. */
export const writeLog = async (
  disk: SimDisk,
  batches: readonly Batch[],
  options?: Partial<OpenOptions>,
): Promise<void> => {
  const { wal } = await open(disk.boot(), options);
  for (const batch of batches) await append(wal, batch);
  await wal.close();
};

/** Opens the log on the disk as a restart does. */
export const recover = async (disk: SimDisk, options?: Partial<OpenOptions>): Promise<RecoveredLog> => {
  const { wal, recovered } = await open(disk.boot(), options);
  await wal.close();
  return recovered;
};

/** Waits for everything that needs only microtasks, which is all work on a simulated disk. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
