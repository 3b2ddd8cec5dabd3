import type { Clock } from "../../platform/index.js";
import type { CoreStatus, MemberId, RaftNode } from "../../raft/index.js";
import type { KvStore } from "../../store/index.js";
import type { Applied, Applier } from "../replication/apply/index.js";
import type { MemberConfig } from "../config/index.js";
import { openDurableState, type DurableState } from "./durable-state.js";
import { asStartError, type ClusterId, ServerError, type ServerErrorCode } from "../base/index.js";
import type { LeaderCalls, LeaseKeeper } from "../lease/index.js";
import type { LeadershipTransfer, Proposals, Reads } from "../replication/index.js";
import type { MemberEnvironment, MemberParts, PeerNetwork } from "./parts.js";
import { Teardown } from "./teardown.js";
import { Wiring } from "./wiring.js";

/** After these, what was proposed may succeed later. */
const worthAnotherTry = new Set<ServerErrorCode>([
  "not-proposed",
  "timed-out",
  "leader-lost",
  "connection-lost",
  "too-many-requests",
  "no-space",
]);
const publishRetryMs = 500;
/** How long a start waits for members that do not answer. */
const announceTimeoutMs = 1_000;

/** What the replica tells the member it belongs to. */
export interface ReplicaListener {
  /** It can no longer keep its promises and has stopped taking part. */
  readonly onFailure: (error: Error) => void;
  /** The known leader or its term changed. */
  readonly onStatusChange: (status: CoreStatus) => void;
}

/** One member's copy of the log and of what it makes: consensus, its files, the store, and who waits for them. */
export class Replica {
  private endPause: () => void = () => undefined;

  readonly clusterId: ClusterId;
  readonly id: MemberId;
  readonly node: RaftNode;
  readonly store: KvStore;
  readonly applier: Applier;
  readonly proposals: Proposals<Applied>;
  readonly reads: Reads;
  readonly leases: LeaseKeeper;
  /** Asks the leader what only it can tell. */
  readonly leader: LeaderCalls;
  readonly transfer: LeadershipTransfer;
  readonly peers: PeerNetwork;

  constructor(
    durable: DurableState,
    wiring: Wiring,
    private readonly clock: Clock,
    private readonly teardown: Teardown,
  ) {
    this.clusterId = durable.clusterId;
    this.id = durable.memberId;
    this.store = durable.store;
    this.node = wiring.node;
    this.applier = wiring.applier;
    this.proposals = wiring.proposals;
    this.reads = wiring.reads;
    this.leases = wiring.leases;
    this.leader = wiring.calls.leader;
    this.transfer = wiring.transfer;
    this.peers = wiring.peers;
  }

  /**
   * Tells the cluster this member's name and client URLs; resolves once that has been applied here. Without a majority
   * it goes on trying: telling it twice does no harm.
   *
   * @throws ServerError if it cannot succeed: the member stops
   */
  async publish(attributes: { readonly name: string; readonly clientUrls: readonly string[] }): Promise<void> {
    for (;;) {
      try {
        await new Promise<Applied>((resolve, reject) =>
          this.proposals.proposeOwn(
            { $case: "publish", value: { member: this.id, ...attributes } },
            { applied: resolve, failed: reject },
          ),
        );
        return;
      } catch (error) {
        if (!(error instanceof ServerError) || !worthAnotherTry.has(error.code)) throw error;
        await this.pause();
      }
    }
  }

  /** Has another member lead, if this one does and there is one: nobody then has to find out that it is gone. */
  async handOver(): Promise<void> {
    if (this.node.status().role !== "leader" || this.applier.members.all.length === 1) return;
    await new Promise<void>((resolve) => this.transfer.begin(undefined, () => resolve()));
  }

  /** Stops taking part, and makes durable what has been applied. */
  close(): Promise<void> {
    const closed = this.teardown.close();
    this.endPause();
    return closed;
  }

  /** Ends early when the replica closes. */
  private pause(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.clock.after(publishRetryMs, resolve);
      this.endPause = () => {
        cancel();
        resolve();
      };
    });
  }
}

/** Opens the data directory (making it, for a new member), recovers the state and starts taking part. */
export const openReplica = async (
  parts: MemberParts,
  config: MemberConfig,
  environment: MemberEnvironment,
  listener: ReplicaListener,
): Promise<Replica> => {
  const teardown = new Teardown();
  try {
    return await start(parts, config, environment, listener, teardown);
  } catch (error) {
    await teardown.close();
    throw asStartError(error, config.dataDir);
  }
};

const start = async (
  parts: MemberParts,
  config: MemberConfig,
  environment: MemberEnvironment,
  listener: ReplicaListener,
  teardown: Teardown,
): Promise<Replica> => {
  const { clock, logger } = environment;
  const { onStatusChange } = listener;
  let failure: Error | undefined;
  const onFailure = (error: Error): void => {
    failure ??= error;
    teardown.stopNow();
    listener.onFailure(error);
  };
  const durable = await openDurableState(parts, config, environment, teardown, onFailure);
  const wiring = new Wiring({ connect: parts.connect, config, environment, durable, onStatusChange, onFailure });
  teardown.onStop(() => wiring.stop());
  const { clusterId, memberId, recovered, applied } = durable;
  logger.info("starting local member", {
    memberId,
    clusterId,
    lastIndex: recovered.entries.at(-1)?.index ?? recovered.base.index,
    applied: applied.index,
  });
  await announceToPeers(wiring.peers, clock);
  if (failure !== undefined) throw failure;
  wiring.takePart();
  return new Replica(durable, wiring, clock, teardown);
};

/** Announces this incarnation to all reachable peers before this member votes: one of them may refuse it as stale. */
const announceToPeers = async (peers: PeerNetwork, clock: Clock): Promise<void> => {
  let cancel: () => void = () => undefined;
  const late = new Promise<void>((resolve) => (cancel = clock.after(announceTimeoutMs, resolve)));
  await Promise.race([peers.open(), late]);
  cancel();
};
