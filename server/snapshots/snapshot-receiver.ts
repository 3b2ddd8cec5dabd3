import type { Clock } from "../../platform/index.js";
import type { CoreStatus, LogPosition, MemberId, RaftNode } from "../../raft/index.js";
import type { AppliedState } from "../replication/apply/index.js";
import { formatId, type Logger } from "../base/index.js";
import { ChannelClosedError, type SnapshotChannel } from "../peers/index.js";
import { SnapshotReader } from "./messages.js";
import type { NewStore, NewStores } from "./new-store.js";
import { receiveHeader, IncomingSnapshot, type SnapshotHeader } from "./incoming-snapshot.js";
import { SnapshotRefusedError } from "./outgoing-snapshot.js";

/** The options of `SnapshotReceiver`. */
export interface SnapshotReceiverOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Creates empty stores beside the one in use. */
  readonly newStores: Pick<NewStores, "create">;
}

/** A complete snapshot, offered to consensus. */
class Offer {
  /** Resolves when the store is in use; rejects if consensus has refused the snapshot, or if the store cannot be used. */
  readonly whenInstalled: Promise<void>;
  private resolve: () => void = () => undefined;
  private reject: (error: unknown) => void = () => undefined;

  constructor(
    private readonly store: NewStore,
    readonly state: AppliedState,
  ) {
    this.whenInstalled = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  /** Replaces the store in use. */
  async install(): Promise<void> {
    try {
      await this.store.install();
    } catch (error) {
      this.fail(error);
      throw error;
    }
    this.resolve();
  }

  fail(error: unknown): void {
    this.reject(error);
  }
}

interface SnapshotReception {
  readonly incoming: IncomingSnapshot;
  readonly channel: SnapshotChannel;
  offered: Offer | undefined;
  /** Whether the installation has begun: the new store may be in use. */
  isInstalling: boolean;
  /** Resolves once the store is in use or removed. */
  whenEnded: Promise<void>;
}

/**
 * Receives snapshots from leaders, one at a time: a newer leader's snapshot replaces an older one's, a later one of the same
 * leader an earlier one. A complete, verified snapshot is offered to consensus and installed when consensus accepts it.
 */
export class SnapshotReceiver {
  private current: SnapshotReception | undefined = undefined;
  private isStopped = false;

  /** @param node consensus, which is offered complete snapshots; a call of `install` or `discard` follows */
  constructor(
    private readonly options: SnapshotReceiverOptions,
    private readonly node: Pick<RaftNode, "status" | "onSnapshotReceived">,
  ) {}

  /** Receives a snapshot over a channel that a peer has opened. */
  accept(from: MemberId, channel: SnapshotChannel): void {
    this.receive(from, channel).catch((error: unknown) => {
      this.options.logger.warn("failed to receive database snapshot", { remotePeerId: formatId(from), error });
      channel.close("failed to receive");
    });
  }

  /** Ends the snapshot of a leader of an older term. */
  onStatusChange({ term }: Pick<CoreStatus, "term">): void {
    const { current } = this;
    if (current !== undefined && current.offered === undefined && current.incoming.header.leaderTerm < term)
      current.channel.close(`superseded by term ${term}`);
  }

  /**
   * Replaces the store by the offered snapshot. Called only while no entry is being applied.
   *
   * @returns the replicated state of the snapshot
   * @throws Error if no snapshot was offered; an error of the disk
   */
  async install({ index }: LogPosition): Promise<AppliedState> {
    const reception = this.current;
    if (reception?.offered === undefined)
      throw new Error(`Cannot install the snapshot up to entry ${index}: there is none`);
    const { offered } = reception;
    reception.isInstalling = true;
    await offered.install();
    return offered.state;
  }

  /** Discards the offered snapshot: consensus has refused it. */
  discard({ index }: LogPosition): void {
    const offered = this.current?.offered;
    if (offered?.state.index === index) offered.fail(new SnapshotRefusedError("not newer than the log"));
  }

  /** Ends the snapshot that is being received; an installation is completed. */
  stop(): void {
    this.isStopped = true;
    const { current } = this;
    if (current === undefined || current.isInstalling) return;
    current.channel.close("the member is stopping");
    current.offered?.fail(new ChannelClosedError("the member is stopping"));
  }

  /** Stops, and waits for the end. */
  async close(): Promise<void> {
    this.stop();
    await this.current?.whenEnded;
  }

  private async receive(from: MemberId, channel: SnapshotChannel): Promise<void> {
    const { clock, logger } = this.options;
    const reader = new SnapshotReader();
    const header = await receiveHeader(clock, from, channel, reader);
    const about = { remotePeerId: formatId(from), snapshotIndex: header.position.index, term: header.leaderTerm };
    const incoming = new IncomingSnapshot(clock, header, channel, reader);
    const refusal = this.reasonToRefuse(header);
    if (refusal !== undefined) {
      logger.warn("refused database snapshot", { ...about, reason: refusal });
      incoming.reportRefused(new SnapshotRefusedError(refusal));
      return;
    }
    logger.info("receiving database snapshot", about);
    const former = this.current;
    former?.channel.close("superseded by another snapshot");
    const reception: SnapshotReception = {
      incoming,
      channel,
      offered: undefined,
      isInstalling: false,
      whenEnded: Promise.resolve(),
    };
    this.current = reception;
    reception.whenEnded = this.receiveAndInstall(reception, former?.whenEnded, about);
    await reception.whenEnded;
    if (this.current === reception) this.current = undefined;
  }

  private reasonToRefuse(header: SnapshotHeader): string | undefined {
    const { leaderTerm, position } = header;
    const { term, commit } = this.node.status();
    if (this.isStopped) return "the member is stopping";
    if (leaderTerm < term) return `term ${leaderTerm} is older than term ${term}`;
    if (this.current?.offered !== undefined) return "another snapshot is being installed";
    const underWay = this.current?.incoming.header.leaderTerm ?? 0;
    if (leaderTerm < underWay) return `a snapshot of the leader of term ${underWay} is being received`;
    if (position.index > commit) return undefined;
    this.node.onSnapshotReceived(header); // consensus refuses it, too, and acknowledges this member's commit index to the leader
    return `the log is committed up to entry ${commit}`;
  }

  /** Receives all rows, offers the snapshot, and reports the result to the sender. Never rejects. */
  private async receiveAndInstall(
    reception: SnapshotReception,
    former: Promise<void> | undefined,
    about: Readonly<Record<string, unknown>>,
  ): Promise<void> {
    const { clock, logger, newStores } = this.options;
    const { incoming } = reception;
    const startedAt = clock.now();
    const took = () => ({ ...about, bytes: incoming.bytes, tookMs: Math.round(clock.now() - startedAt) });
    let store: NewStore | undefined;
    try {
      await former;
      store = await newStores.create();
      const state = await incoming.receiveInto(store);
      logger.info("received and saved database snapshot", took());
      await this.offerToConsensus(reception, store, state);
      logger.info("applied snapshot", took());
      incoming.reportInstalled();
    } catch (error) {
      logger.warn("failed to receive database snapshot", { ...took(), error });
      incoming.reportRefused(error);
      if (!reception.isInstalling)
        await store?.discard().catch((cause: unknown) => logger.warn("cannot remove a store", { error: cause }));
    }
  }

  private offerToConsensus(reception: SnapshotReception, store: NewStore, state: AppliedState): Promise<void> {
    if (this.isStopped || this.current !== reception) throw new ChannelClosedError("superseded by another snapshot");
    const offer = new Offer(store, state);
    reception.offered = offer;
    this.node.onSnapshotReceived(reception.incoming.header);
    return offer.whenInstalled;
  }
}
