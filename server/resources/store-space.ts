import type { Clock, Disk } from "../../platform/index.js";
import type { Logger } from "../base/index.js";
import { Shortfall } from "./shortfall.js";

/** The options of `StoreSpace`. */
export interface StoreSpaceOptions {
  readonly disk: Pick<Disk, "freeBytes">;
  readonly directory: string;
  /** The space to leave free: with less, nothing is written. */
  readonly reserveBytes: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Lets writes to the store wait while the disk is nearly full. LevelDB takes no write any more after one has failed, until it
 * is opened again, for which it needs space itself; one that waits holds up only what is applied, and the log says what that is.
 */
export class StoreSpace extends Shortfall {
  constructor(private readonly space: StoreSpaceOptions) {
    super({
      ...space,
      messages: {
        missing: "no space for the store: what is applied waits until there is some",
        again: "there is space for the store again",
      },
      stopped: "no space left for the store",
    });
  }

  /** A disk that does not tell how full it is may still take the write. */
  protected override isThere(): Promise<boolean> {
    const { disk, directory, reserveBytes } = this.space;
    return new Promise((resolve) => {
      if (disk.freeBytes === undefined) resolve(true);
      else disk.freeBytes(directory, (error, free = 0) => resolve(error !== null || free >= reserveBytes));
    });
  }
}
