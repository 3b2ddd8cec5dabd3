import type { Clock } from "../../platform/index.js";
import type { MemberId } from "../../raft/index.js";
import { ServerError, type ServerErrorCode } from "../base/index.js";
import type { CommandResults } from "../replication/apply/index.js";
import type { Proposals } from "../replication/index.js";

/** Errors after which the proposal is retried. */
const retried = new Set<ServerErrorCode>([
  "not-proposed",
  "timed-out",
  "leader-lost",
  "connection-lost",
  "too-many-requests",
  "no-space",
]);
const retryMs = 500;

/** The name and client URLs that a member publishes to the cluster. */
export interface MemberAttributes {
  readonly name: string;
  readonly clientUrls: readonly string[];
}

/** Publishes the attributes of a member to its cluster, as etcd does. */
export class Publisher {
  private endPause: () => void = () => undefined;

  constructor(
    private readonly proposals: Pick<Proposals<CommandResults>, "proposeOwn">,
    private readonly clock: Clock,
  ) {}

  /**
   * Proposes the attributes of `member`; resolves once they are applied here. Retries until there is a majority: a repeated
   * proposal has no further effect.
   *
   * @throws ServerError if the proposal cannot succeed, and after `stop`
   */
  async publish(member: MemberId, attributes: MemberAttributes): Promise<void> {
    for (;;) {
      try {
        await new Promise<unknown>((resolve, reject) =>
          this.proposals.proposeOwn(
            { $case: "publish", value: { member, ...attributes } },
            { onResult: resolve, onError: reject },
          ),
        );
        return;
      } catch (error) {
        if (!(error instanceof ServerError) || !retried.has(error.code)) throw error;
        await this.pause();
      }
    }
  }

  /** Ends a pause; the next attempt is refused by the stopped proposals. */
  stop(): void {
    this.endPause();
  }

  private pause(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.clock.after(retryMs, resolve);
      this.endPause = () => {
        cancel();
        resolve();
      };
    });
  }
}
