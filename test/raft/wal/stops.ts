// A log whose process or machine ends at each operation of its disk in turn.
import type { Wal } from "../../../raft/wal/wal.js";
import { seededRandom } from "../../../testing/random.js";
import { open, settle } from "./fixtures.js";
import { SimDisk } from "../../../testing/sim-disk.js";
import { runs } from "../../support/thorough.js";

// The cases are deterministic; another SEED tries other ones.
export const firstSeed = Number(process.env["SEED"] ?? 1);

export const aDisk = (seed = firstSeed): SimDisk => new SimDisk({ random: seededRandom(seed) });

/** Returns another disk with the durable contents of `disk`. */
export const copyOf = (disk: SimDisk, seed = firstSeed): SimDisk => {
  const copy = aDisk(seed);
  for (const [file, bytes] of disk.contents()) copy.place(file, bytes);
  return copy;
};

export const stops = ["kill", "powerCut"] as const;
export type Stop = (typeof stops)[number];

/** Stops `disk` at an operation, after `operations` others have begun. */
export const stopAt = (disk: SimDisk, stop: Stop, operations: number): void => {
  let left = operations;
  disk.onOperation = () => {
    if (left-- === 0) disk[stop]();
    return undefined;
  };
};

/**
 * Opens the log on `disk` and takes one step after the other, each in the callback of the previous one, until there is none left or the
 * disk stops answering.
 * @param step takes the step of a number and calls back at its end; it does nothing if there is none
 * @returns how many steps ended
 */
export const takeSteps = async (
  disk: SimDisk,
  step: (wal: Wal, at: number, done: () => void) => void,
): Promise<number> => {
  let taken = 0;
  const opened = open(disk.boot()).then(({ wal }) => {
    const takeNext = (): void =>
      step(wal, taken, () => {
        taken++;
        takeNext();
      });
    takeNext();
  });
  await Promise.race([opened, settle()]);
  await settle();
  return taken;
};

export interface EverywhereOptions {
  /** The disk before the work. */
  readonly start: SimDisk;
  readonly stop: Stop;
  /** Runs the steps. Returns how many of them were acknowledged. */
  readonly work: (disk: SimDisk) => Promise<number>;
  /** Checks the disk after each stop. */
  readonly check: (disk: SimDisk, acknowledged: number, hint: string) => Promise<void>;
}

/** Stops `work` at each of its operations, with several seeds each. */
export const stopEverywhere = async ({ start, stop, work, check }: EverywhereOptions): Promise<void> => {
  let operations = 0;
  const counting = copyOf(start);
  counting.onOperation = () => {
    operations++;
    return undefined;
  };
  await work(counting);
  for (let at = 0; at < operations; at++)
    for (let seed = firstSeed; seed < firstSeed + runs({ usually: 1, thoroughly: 3 }); seed++) {
      const disk = copyOf(start, seed);
      stopAt(disk, stop, at);
      const acknowledged = await work(disk);
      disk.onOperation = () => undefined;
      await check(disk, acknowledged, `${stop} at operation ${at}, SEED=${seed}`);
    }
};
