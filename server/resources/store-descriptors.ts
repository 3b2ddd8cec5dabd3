import { type Clock, isError } from "../../platform/index.js";
import { shortageOf } from "../../raft/index.js";
import type { DescriptorSource } from "../../store/index.js";
import type { Descriptors } from "./descriptors.js";
import type { Logger } from "../base/index.js";
import { ScarceResource } from "./scarce-resource.js";

/** The options of `StoreDescriptors`. */
export interface StoreDescriptorsOptions {
  readonly descriptors: Pick<Descriptors, "hasFree" | "releaseSpares">;
  readonly directory: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Lets writes to the store wait while the process, or the system, has few file descriptors left. After a compaction has failed
 * for lack of one, LevelDB accepts no write until it is reopened.
 */
export class StoreDescriptors extends ScarceResource implements DescriptorSource {
  private readonly descriptors: StoreDescriptorsOptions["descriptors"];

  constructor({ descriptors, directory, clock, logger }: StoreDescriptorsOptions) {
    super({
      clock,
      logger,
      directory,
      messages: {
        missing: "out of file descriptors for the store: applying entries waits",
        again: "file descriptors for the store are available again",
      },
      stopped: "no file descriptors left for the store",
    });
    this.descriptors = descriptors;
  }

  protected override isThere(): Promise<boolean> {
    return Promise.resolve(this.descriptors.hasFree());
  }

  lend(): boolean {
    return this.descriptors.releaseSpares();
  }

  /**
   * Repeats an operation, which must allow that, while it fails for lack of descriptors.
   *
   * @throws any other error of the operation; Error after `stop`
   */
  async retryForDescriptors<T>(operation: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await operation();
      } catch (error) {
        if (!isError(error) || shortageOf(error) !== "descriptors") throw error;
      }
      await this.whenAvailableAgain();
    }
  }
}
