// One member's copy of the log: its parts, composed from top to bottom; the events between them; its start and its stop.

import {
  noMember,
  RaftCore,
  RaftNode,
  tickMs,
  type CoreStatus,
  type MemberId,
  type NodeListener,
  type Term,
} from "../../raft/index.js";
import type { KvStore } from "../../store/index.js";
import { Applier, type CommandResults, type Membership } from "../replication/apply/index.js";
import {
  type AutoCompactor,
  LeadershipTransfer,
  proposeCompaction,
  Proposals,
  Reads,
  startAutoCompaction,
} from "../replication/index.js";
import type { MemberConfig } from "../config/index.js";
import { Publisher, type MemberAttributes } from "./publisher.js";
import { openDurableState, type DurableState } from "./durable-state.js";
import {
  asStartError,
  type ClusterId,
  StaleDirectoryError,
  formatId,
  type Logger,
  parseMemberUrl,
} from "../base/index.js";
import { type LeaderCalls, LeaseKeeper, PeerCalls, serveLeaseCalls } from "../lease/index.js";
import type { MemberEnvironment, MemberParts, PeerNetwork } from "./parts.js";
import type { Peer, PeersListener, PeersOptions } from "../peers/index.js";
import { Snapshots } from "../snapshots/index.js";
import { Teardown } from "./teardown.js";

/** How long a start waits for members that do not answer. */
const announceTimeoutMs = 1_000;

/** The member that a replica belongs to. */
export interface ReplicaListener {
  /** Called when the replica has failed and stopped taking part; the member must end. */
  readonly onFailure: (error: Error) => void;
  /** Called when the known leader or its term has changed. */
  readonly onStatusChange: (status: CoreStatus) => void;
}

interface ReplicaOptions {
  readonly connect: MemberParts["connect"];
  readonly config: MemberConfig;
  readonly environment: MemberEnvironment;
  readonly durable: DurableState;
  readonly listener: ReplicaListener;
  readonly teardown: Teardown;
}

/** One member's copy of the log and of what the log makes: consensus, its files, the store, and requests that wait. */
export class Replica {
  readonly clusterId: ClusterId;
  readonly id: MemberId;
  readonly store: KvStore;
  readonly proposals: Proposals<CommandResults>;
  readonly leases: LeaseKeeper;
  readonly applier: Applier;
  readonly reads: Reads;
  readonly calls: PeerCalls;
  readonly peers: PeerNetwork;
  readonly transfer: LeadershipTransfer;
  readonly snapshots: Snapshots;
  readonly node: RaftNode;
  private readonly publisher: Publisher;
  private autoCompactor: AutoCompactor | undefined;
  /** How long a client's request may wait. */
  private readonly timeoutMs: number;
  /** Before that, what others say is lost. */
  private takesPart = false;

  constructor(private readonly options: ReplicaOptions) {
    const { config, environment, durable } = options;
    this.clusterId = durable.clusterId;
    this.id = durable.memberId;
    this.store = durable.store;
    this.timeoutMs = 5_000 + 2 * config.electionMs;
    this.proposals = this.makeProposals();
    this.leases = this.makeLeases();
    this.applier = this.makeApplier();
    this.reads = this.makeReads();
    this.calls = this.makeCalls();
    this.peers = options.connect(this.peersOptions());
    this.transfer = this.makeTransfer();
    this.snapshots = this.makeSnapshots();
    this.node = this.makeNode();
    this.publisher = new Publisher(this.proposals, environment.clock);
    durable.space.whenFull(() => void this.handOver());
  }

  /** Asks the leader for what only it knows. */
  get leader(): LeaderCalls {
    return this.calls.leader;
  }

  /** Publishes this member's name and client URLs; resolves once that has been applied here. */
  publish(attributes: MemberAttributes): Promise<void> {
    return this.publisher.publish(this.id, attributes);
  }

  /** Has another member lead, if this one does and there is one: nobody then has to find out that it is gone. */
  async handOver(): Promise<void> {
    if (this.node.status().role !== "leader" || this.applier.members.all.length === 1) return;
    await new Promise<void>((resolve) => this.transfer.begin(undefined, () => resolve()));
  }

  /** Stops taking part, and makes durable what has been applied. */
  close(): Promise<void> {
    const closed = this.options.teardown.close();
    this.publisher.stop();
    return closed;
  }

  /** Announces this incarnation to all reachable peers before this member votes: one of them may refuse it as stale. */
  async announce(): Promise<void> {
    let cancel: () => void = () => undefined;
    const late = new Promise<void>(
      (resolve) => (cancel = this.options.environment.clock.after(announceTimeoutMs, resolve)),
    );
    await Promise.race([this.peers.open(this.peerEvents()), late]);
    cancel();
  }

  /** From now on this member votes, acknowledges and leads. */
  takePart(): void {
    this.takesPart = true;
    this.node.start();
    this.autoCompactor = this.startAutoCompaction();
  }

  /** Nothing more is said or done; whoever waits is told so. */
  stop(): void {
    this.autoCompactor?.stop();
    this.node.stop();
    this.peers.close();
    for (const part of [
      this.snapshots,
      this.applier,
      this.proposals,
      this.reads,
      this.leases,
      this.calls,
      this.transfer,
    ])
      part.stop();
  }

  private makeProposals(): Proposals<CommandResults> {
    const { config, environment, durable } = this.options;
    return new Proposals<CommandResults>({
      member: durable.memberId,
      incarnation: durable.incarnation,
      timeoutMs: this.timeoutMs,
      maxRequestBytes: config.maxRequestBytes,
      clock: environment.clock,
      shortage: () => durable.space.shortage,
      propose: (sequence, data) => this.node.propose(sequence, data),
    });
  }

  private makeLeases(): LeaseKeeper {
    const { config, environment, durable } = this.options;
    return new LeaseKeeper({
      clock: environment.clock,
      electionMs: config.electionMs,
      store: durable.store,
      propose: (command, handler) => this.proposals.proposeOwn(command, handler),
    });
  }

  private makeApplier(): Applier {
    const { environment, durable, listener } = this.options;
    const { store, applied, memberId: member, incarnation } = durable;
    return new Applier(store, applied, { member, incarnation }, this.proposals, this.leases, {
      soon: (callback) => environment.clock.soon(callback),
      onApplied: (entries) => this.snapshots.onEntriesApplied(entries),
      install: (position) => this.snapshots.install(position),
      onFailure: listener.onFailure,
    });
  }

  private makeReads(): Reads {
    return new Reads({
      timeoutMs: this.timeoutMs,
      clock: this.options.environment.clock,
      readIndex: (request) => this.node.readIndex(request),
      whenApplied: (index, callback) => this.applier.whenApplied(index, callback),
    });
  }

  private makeCalls(): PeerCalls {
    const { environment, durable } = this.options;
    const { memberId: self, incarnation, store } = durable;
    return new PeerCalls({
      self,
      incarnation,
      timeoutMs: this.timeoutMs,
      clock: environment.clock,
      serve: serveLeaseCalls({ reads: this.reads, keeper: this.leases, store }),
      send: (to, message) => this.peers.sendCalls(to, message),
    });
  }

  private peersOptions(): PeersOptions {
    const { environment, durable } = this.options;
    const { clusterId, memberId: self, peerIncarnations, applied } = durable;
    const peers = peersOf(applied.membership, self);
    const { clock, logger } = environment;
    return { clusterId, self, incarnation: peerIncarnations.own, peers, clock, logger };
  }

  private peerEvents(): PeersListener {
    return {
      admitPeer: (member, incarnation) =>
        this.options.durable.peerIncarnations.admitPeer(member, incarnation, this.applier.lastStartOf(member)),
      onMessage: (from, message) => {
        if (this.takesPart) this.node.receiveMessage(from, message);
      },
      onCalls: (from, message) => {
        if (this.takesPart) this.calls.onReceived(from, message);
      },
      onSnapshot: (from, channel) => {
        if (this.takesPart) this.snapshots.accept(from, channel);
        else channel.close("member is starting");
      },
      onFenced: (evidence) => {
        this.options.durable.peerIncarnations.fence(evidence);
        this.options.listener.onFailure(new StaleDirectoryError(evidence));
      },
      onLinkOpened: (peer) => {
        this.snapshots.onReachable(peer);
        if (peer !== this.node.status().leader) return;
        this.proposals.leaderReached();
        this.reads.leaderChanged(true);
        this.calls.onLeaderReachable();
      },
      onLinkClosed: (peer) => {
        this.node.onLinkClosed(peer);
        this.calls.onLinkClosed(peer);
      },
    };
  }

  private makeTransfer(): LeadershipTransfer {
    const { clock, logger } = this.options.environment;
    return new LeadershipTransfer({
      self: this.options.durable.memberId,
      clock,
      logger,
      status: () => this.node.status(),
      begin: (to) => this.node.transferLeadership(to),
    });
  }

  private makeSnapshots(): Snapshots {
    const { config, environment, durable } = this.options;
    const { store, newStores, recovered, applied } = durable;
    return new Snapshots({
      config,
      clock: environment.clock,
      logger: environment.logger,
      ...{ store, newStores, recovered, applied },
      node: () => this.node,
      open: (to) => this.peers.openSnapshot(to),
    });
  }

  private makeNode(): RaftNode {
    const { config, environment, durable } = this.options;
    return new RaftNode({
      core: createCore(config, environment, durable),
      log: durable.wal,
      transport: this.peers,
      machine: this.applier,
      listener: this.nodeEvents(),
      clock: environment.clock,
      heartbeatTicks: heartbeatTicksOf(config),
    });
  }

  private startAutoCompaction(): AutoCompactor | undefined {
    const { config, environment, durable } = this.options;
    if (config.autoCompaction === undefined) return undefined;
    return startAutoCompaction(config.autoCompaction, {
      clock: environment.clock,
      logger: environment.logger,
      revision: () => durable.store.revision,
      leads: () => this.node.status().role === "leader",
      compact: (revision, done) => proposeCompaction(this.proposals, revision, done),
    });
  }

  private nodeEvents(): NodeListener {
    const { environment, listener } = this.options;
    return {
      onReadState: (read) => this.reads.confirmed(read),
      onRefusal: (refusal) =>
        refusal.what === "proposal" ? this.proposals.refused(refusal) : this.reads.refused(refusal.number),
      onStatusChange: watchLeader(environment.logger, (status) => this.leaderChanged(status)),
      onSnapshotNeeded: (peer) => this.snapshots.sendSnapshot(peer),
      onSnapshotRefused: (position) => this.snapshots.onRefused(position),
      onTransferEnded: (ok) => this.transfer.ended(ok),
      onFailure: listener.onFailure,
    };
  }

  private leaderChanged(status: CoreStatus): void {
    const { leader } = status;
    this.proposals.leaderChanged(leader);
    this.reads.leaderChanged(leader !== noMember);
    this.leases.onStatusChange(status);
    this.calls.onLeaderChanged(status);
    this.snapshots.onStatusChange(status);
    this.options.listener.onStatusChange(status);
  }
}

const heartbeatTicksOf = ({ heartbeatMs }: MemberConfig): number => Math.max(1, Math.round(heartbeatMs / tickMs));

const createCore = (
  config: MemberConfig,
  { random }: MemberEnvironment,
  { memberId, applied, recovered: { hardState, base, entries } }: DurableState,
): RaftCore =>
  new RaftCore({
    id: memberId,
    voters: applied.membership.all.map((member) => member.ID as MemberId),
    // As in etcd, term 1 is the bootstrap that named the members: the first leader is elected in term 2.
    recovered: { hardState: { ...hardState, term: Math.max(1, hardState.term) as Term }, base, entries },
    applied: applied.index,
    heartbeatTicks: heartbeatTicksOf(config),
    electionTicks: Math.max(1, Math.round(config.electionMs / tickMs)),
    random,
  });

const peersOf = (membership: Membership, self: MemberId): Peer[] =>
  membership.all
    .filter((member) => member.ID !== self)
    .map((member) => ({
      id: member.ID as MemberId,
      addresses: member.peerURLs.map((url) => parseMemberUrl(url).address),
    }));

/** Passes on, and logs, only what concerns the leader. */
const watchLeader = (logger: Logger, onChange: (status: CoreStatus) => void): ((status: CoreStatus) => void) => {
  let known = { leader: noMember, term: 0 };
  return (status) => {
    const { leader, term } = status;
    if (leader === known.leader && (term === known.term || leader === noMember)) return;
    known = { leader, term };
    if (leader === noMember) logger.warn("lost leader", { term });
    else logger.info("elected leader", { leader: formatId(leader), term, self: status.role === "leader" });
    onChange(status);
  };
};

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
  const { logger } = environment;
  let failure: Error | undefined;
  const onFailure = (error: Error): void => {
    failure ??= error;
    teardown.stopNow();
    listener.onFailure(error);
  };
  const durable = await openDurableState(parts, config, environment, teardown, onFailure);
  const { connect } = parts;
  const replica = new Replica({
    ...{ connect, config, environment, durable, teardown },
    listener: { ...listener, onFailure },
  });
  teardown.onStop(() => replica.stop());
  const { clusterId, memberId, recovered, applied } = durable;
  logger.info("starting local member", {
    memberId,
    clusterId,
    lastIndex: recovered.entries.at(-1)?.index ?? recovered.base.index,
    applied: applied.index,
  });
  await replica.announce();
  if (failure !== undefined) throw failure;
  replica.takePart();
  return replica;
};
