import type { Clock, Disk } from "../../platform/index.js";
import type { Logger } from "../base/index.js";
import { ScarceResource } from "./scarce-resource.js";

/** The options of `StoreSpace`. */
export interface StoreSpaceOptions {
  readonly disk: Pick<Disk, "freeBytes">;
  readonly directory: string;
  /** The space to leave free, in bytes: with less, writes wait. */
  readonly reserveBytes: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Lets writes to the store wait while the disk is nearly full. After a failed write, LevelDB accepts no write until it is
 * reopened, which needs space, too. A waiting write delays only the apply of further entries, which are in the log.
 */
export class StoreSpace extends ScarceResource {
  constructor(private readonly space: StoreSpaceOptions) {
    super({
      ...space,
      messages: {
        missing: "out of disk space for the store: applying entries waits",
        again: "disk space for the store is available again",
      },
      stopped: "no space left for the store",
    });
  }

  /** A disk that does not report its free space may still have room. */
  protected override isThere(): Promise<boolean> {
    const { disk, directory, reserveBytes } = this.space;
    return new Promise((resolve) => {
      if (disk.freeBytes === undefined) resolve(true);
      else disk.freeBytes(directory, (error, free = 0) => resolve(error !== null || free >= reserveBytes));
    });
  }
}
