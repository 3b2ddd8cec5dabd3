import {
  noMember,
  RaftCore,
  RaftNode,
  tickMs,
  type Clock,
  type CoreStatus,
  type MemberId,
  type RecoveredLog,
  type Term,
} from "../raft/index.js";
import type { KvStore } from "../store/index.js";
import { Applier, type Applied, type AppliedState } from "./applier.js";
import type { MemberConfig } from "./config.js";
import { openDurableState } from "./durable-state.js";
import { ForeignPastError, ServerError, type ServerErrorCode } from "./errors.js";
import { serveLeaseCalls } from "./lease-calls.js";
import { LeaseKeeper } from "./lease-keeper.js";
import { LeadershipTransfer } from "./leadership-transfer.js";
import { formatId, type Logger } from "./logger.js";
import type { MemberEnvironment } from "./member.js";
import type { Membership } from "./membership.js";
import { asStartError } from "./open-failure.js";
import type { MemberParts, PeerNetwork } from "./parts.js";
import { PeerCalls } from "./peers/calls.js";
import type { LeaderCalls } from "./peers/leader-calls.js";
import type { Peer } from "./peers/peers.js";
import { Proposals } from "./proposals.js";
import { Reads } from "./reads.js";
import { Snapshots } from "./snapshots/snapshots.js";
import { Teardown } from "./teardown.js";
import { parseMemberUrl } from "./urls.js";

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
const rollCallMs = 1_000;

/** What the replica tells the member it belongs to. */
export interface ReplicaListener {
  /** It can no longer keep its promises and has stopped taking part. */
  readonly onFailure: (error: Error) => void;
  /** The known leader or its term changed. */
  readonly onStatusChange: (status: CoreStatus) => void;
}

type ReplicaParts = Pick<
  Replica,
  "clusterId" | "id" | "node" | "store" | "applier" | "proposals" | "reads" | "leases" | "leader" | "transfer" | "peers"
>;

/** One member's copy of the log and of what it makes: consensus, its files, the store, and who waits for them. */
export class Replica {
  private endPause: () => void = () => undefined;

  readonly clusterId: bigint;
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
    parts: ReplicaParts,
    private readonly clock: Clock,
    private readonly teardown: Teardown,
  ) {
    this.clusterId = parts.clusterId;
    this.id = parts.id;
    this.node = parts.node;
    this.store = parts.store;
    this.applier = parts.applier;
    this.proposals = parts.proposals;
    this.reads = parts.reads;
    this.leases = parts.leases;
    this.leader = parts.leader;
    this.transfer = parts.transfer;
    this.peers = parts.peers;
  }

  /**
   * Tells the cluster this member's name and client URLs; resolves once that has been applied here. Without a majority
   * it goes on trying: telling it twice does no harm.
   *
   * @throws ServerError if it cannot succeed: the member stops, or `--max-request-bytes` leaves no room for it
   */
  async publish(attributes: { readonly name: string; readonly clientUrls: readonly string[] }): Promise<void> {
    for (;;) {
      try {
        await new Promise<Applied>((resolve, reject) =>
          this.proposals.propose(
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
  let failure: Error | undefined;
  const onFailure = (error: Error): void => {
    failure ??= error;
    teardown.stopNow();
    listener.onFailure(error);
  };
  const durable = await openDurableState(parts, config, environment, teardown, onFailure);
  const { clusterId, memberId, incarnation, acquaintances, wal, recovered, space, store, applied, newStores } = durable;

  const timeoutMs = 5_000 + 2 * config.electionMs;
  const proposals = new Proposals<Applied>({
    member: memberId,
    incarnation,
    timeoutMs,
    maxRequestBytes: config.maxRequestBytes,
    clock,
    isFull: () => space.isFull,
    propose: (sequence, data) => node.propose(sequence, data),
  });
  const leases = new LeaseKeeper({
    clock,
    electionMs: config.electionMs,
    store,
    propose: (command, settle) => proposals.propose(command, settle),
  });
  const applier: Applier = new Applier(store, applied, { member: memberId, incarnation }, proposals, leases, {
    soon: (callback) => clock.soon(callback),
    onApplied: (entries) => snapshots.entriesApplied(entries),
    install: (position) => snapshots.install(position),
    onFailure,
  });
  const reads = new Reads({
    timeoutMs,
    clock,
    readIndex: (request) => node.readIndex(request),
    whenApplied: (index, callback) => applier.whenApplied(index, callback),
  });
  const calls = new PeerCalls({
    self: memberId,
    incarnation,
    timeoutMs,
    clock,
    serve: serveLeaseCalls({ reads, keeper: leases, store }),
    send: (to, message) => peers.sendCalls(to, message),
  });
  let takesPart = false; // before that, what others say is lost
  const peers = parts.connect({
    clusterId,
    self: memberId,
    life: acquaintances.own,
    peers: peersOf(applied.membership, memberId),
    meet: (member, life) => acquaintances.meet(member, life, applier.lastStartOf(member)),
    clock,
    logger,
    onMessage: (from, message) => {
      if (takesPart) node.receive(from, message);
    },
    onCalls: (from, message) => {
      if (takesPart) calls.received(from, message);
    },
    onSnapshot: (from, channel) => {
      if (takesPart) snapshots.accept(from, channel);
      else channel.close("this member is only starting");
    },
    onDisowned: (evidence) => {
      acquaintances.disown(evidence);
      onFailure(new ForeignPastError(evidence));
    },
    onLinkOpened: (peer) => {
      snapshots.reachable(peer);
      if (peer !== node.status().leader) return;
      proposals.leaderReached();
      reads.leaderChanged(true);
      calls.leaderChanged(peer);
    },
    onLinkClosed: (peer) => {
      node.linkClosed(peer);
      calls.linkClosed(peer);
    },
  });
  const transfer = new LeadershipTransfer({
    self: memberId,
    clock,
    logger,
    status: () => node.status(),
    begin: (to) => node.transferLeadership(to),
  });
  const snapshots: Snapshots = new Snapshots({
    config,
    clock,
    logger,
    ...{ store, newStores, recovered, applied },
    node: () => node,
    open: (to) => peers.openSnapshot(to),
  });
  const leaderChanged = watchLeader(logger, (status) => {
    proposals.leaderChanged(status.leader);
    reads.leaderChanged(status.leader !== noMember);
    leases.statusChanged(status);
    calls.leaderChanged(status.leader);
    snapshots.statusChanged(status);
    listener.onStatusChange(status);
  });
  const node: RaftNode = new RaftNode({
    core: createCore(config, environment, memberId, applied, recovered),
    log: wal,
    transport: peers,
    machine: applier,
    listener: {
      onReadState: (read) => reads.confirmed(read),
      onRefusal: (refusal) =>
        refusal.what === "proposal" ? proposals.refused(refusal) : reads.refused(refusal.number),
      onStatusChange: leaderChanged,
      onSnapshotNeeded: (peer) => snapshots.needed(peer),
      onSnapshotRefused: (position) => snapshots.refused(position),
      onTransferEnded: (ok) => transfer.ended(ok),
      onFailure,
    },
    clock,
    heartbeatTicks: heartbeatTicksOf(config),
  });
  teardown.onStop(
    () => node.stop(),
    () => peers.close(),
    () => snapshots.stop(),
    () => applier.stop(),
    () => proposals.stop(),
    () => reads.stop(),
    () => leases.stop(),
    () => calls.stop(),
    () => transfer.stop(),
  );
  logger.info("taking part", {
    memberId,
    clusterId,
    lastIndex: recovered.entries.at(-1)?.index ?? recovered.base.index,
    applied: applied.index,
  });
  space.whenFull(() => {
    if (node.status().role === "leader" && applier.members.all.length > 1) transfer.begin(undefined, () => undefined);
  });
  await callTheRoll(peers, clock);
  if (failure !== undefined) throw failure;
  takesPart = true;
  node.start();
  const leader = calls.leader;
  const made = { clusterId, id: memberId, node, store, applier, proposals, reads, leases, leader, transfer, peers };
  return new Replica(made, clock, teardown);
};

/** Before this member votes, all who can be reached have been told which life of it that is, and one may know better. */
const callTheRoll = async (peers: PeerNetwork, clock: Clock): Promise<void> => {
  let cancel: () => void = () => undefined;
  const late = new Promise<void>((resolve) => (cancel = clock.after(rollCallMs, resolve)));
  await Promise.race([peers.open(), late]);
  cancel();
};

const heartbeatTicksOf = ({ heartbeatMs }: MemberConfig): number => Math.max(1, Math.round(heartbeatMs / tickMs));

const createCore = (
  config: MemberConfig,
  { random }: MemberEnvironment,
  id: MemberId,
  { index, membership }: AppliedState,
  { hardState, base, entries }: RecoveredLog,
): RaftCore =>
  new RaftCore({
    id,
    voters: membership.all.map((member) => member.ID),
    // As in etcd, term 1 is the bootstrap that named the members: the first leader is elected in term 2.
    hardState: { ...hardState, term: Math.max(1, hardState.term) as Term },
    base,
    entries,
    applied: index,
    heartbeatTicks: heartbeatTicksOf(config),
    electionTicks: Math.max(1, Math.round(config.electionMs / tickMs)),
    random,
  });

const peersOf = (membership: Membership, self: MemberId): Peer[] =>
  membership.all
    .filter((member) => member.ID !== self)
    .map((member) => ({ id: member.ID, addresses: member.peerURLs.map((url) => parseMemberUrl(url).address) }));

/** Passes on, and logs, only what concerns the leader. */
const watchLeader = (logger: Logger, onChange: (status: CoreStatus) => void): ((status: CoreStatus) => void) => {
  let known = { leader: noMember, term: 0 };
  return (status) => {
    const { leader, term } = status;
    if (leader === known.leader && (term === known.term || leader === noMember)) return;
    known = { leader, term };
    if (leader === noMember) logger.warn("lost the leader", { term });
    else logger.info("a leader is known", { leader: formatId(leader), term, self: status.role === "leader" });
    onChange(status);
  };
};
