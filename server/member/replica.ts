// A member's replica: builds its components from top to bottom, dispatches the events to them, starts and stops them.

import { randomInt } from "node:crypto";
import type { Calls } from "../../proto/index.js";
import {
  noMember,
  RaftCore,
  RaftNode,
  tickMs,
  type CoreStatus,
  type MemberId,
  type NodeListener,
  type PeerMessage,
  type ReadState,
  type Refusal,
  type Term,
  type Wal,
} from "../../raft/index.js";
import type { KvStore } from "../../store/index.js";
import { JwtTokens, type Passwords, SimpleTokens, threadPasswords, type TokenSource } from "../auth/index.js";
import { Applier, type CommandResults, type Membership } from "../replication/apply/index.js";
import {
  type AutoCompactor,
  LeadershipTransfer,
  Proposals,
  Reads,
  SpaceQuota,
  startAutoCompaction,
} from "../replication/index.js";
import { AppendFile, errorCode } from "../../platform/index.js";
import { isSecureUrl, type MemberConfig } from "../config/index.js";
import { Publisher, type MemberAttributes } from "./publisher.js";
import { openDurableState, type DurableState } from "./durable-state.js";
import {
  asStartError,
  type ClusterId,
  StaleDirectoryError,
  StartError,
  formatId,
  parseMemberUrl,
} from "../base/index.js";
import { LeaseCalls, type LeaderCalls, LeaseKeeper, PeerCalls } from "../lease/index.js";
import type { MemberEnvironment, MemberParts, PeerNetwork } from "./parts.js";
import {
  type Peer,
  type PeerIncarnations,
  type PeersListener,
  type PeersOptions,
  PeerStats,
  type SnapshotChannel,
} from "../peers/index.js";
import type { LogSpace } from "../resources/index.js";
import { Snapshots } from "../snapshots/index.js";
import { Teardown } from "./teardown.js";

/** The maximum wait for the answers of peers at the start, in milliseconds. */
const announceTimeoutMs = 1_000;

/** Receives the events of a replica. */
export interface ReplicaListener {
  /** Reports that the replica has failed and stopped; the member must stop. */
  onFailure(error: Error): void;
  /** Reports a change of the known leader or its term. */
  onStatusChange(status: CoreStatus): void;
}

interface ReplicaOptions {
  readonly parts: MemberParts;
  readonly config: MemberConfig;
  readonly environment: MemberEnvironment;
  readonly durable: DurableState;
  readonly logins: Logins;
  readonly listener: ReplicaListener;
  readonly teardown: Teardown;
}

/**
 * A member's copy of the log and the state: consensus, files, store, and pending requests. Receives the events of consensus and
 * of the links, and calls the components that handle them.
 */
export class Replica implements NodeListener, PeersListener {
  readonly clusterId: ClusterId;
  readonly id: MemberId;
  readonly store: KvStore;
  readonly peers: PeerNetwork;
  readonly node: RaftNode;
  readonly proposals: Proposals<CommandResults>;
  readonly leases: LeaseKeeper;
  readonly snapshots: Snapshots;
  readonly applier: Applier;
  readonly reads: Reads;
  readonly calls: PeerCalls;
  readonly transfer: LeadershipTransfer;
  readonly quota: SpaceQuota;
  readonly space: LogSpace;
  readonly log: Wal;
  readonly tokens: TokenSource;
  readonly passwords: Passwords;
  readonly peerStats = new PeerStats();
  /** The file of the audit log; undefined: there is none. */
  readonly auditFile: AppendFile | undefined;
  private readonly publisher: Publisher;
  private autoCompactor: AutoCompactor | undefined;
  /** Whether this member participates; before, the calls and snapshots of peers are dropped. */
  private isParticipating = false;
  private elected = 0;
  private known: Pick<CoreStatus, "leader" | "term"> = { leader: noMember, term: 0 as Term };

  private readonly config: MemberConfig;
  private readonly environment: MemberEnvironment;
  private readonly listener: ReplicaListener;
  private readonly teardown: Teardown;
  private readonly peerIncarnations: PeerIncarnations;

  /** Retains no reference to the recovered entries in `options`: the log drops them when it is truncated. */
  constructor(options: ReplicaOptions) {
    const { parts, config, environment, durable, listener } = options;
    const { clock, logger } = environment;
    this.config = config;
    this.environment = environment;
    this.listener = listener;
    this.teardown = options.teardown;
    this.peerIncarnations = durable.peerIncarnations;
    const { electionMs } = config.raft;
    const { maxRequestBytes, quotaBytes, shouldDisarmItself } = config.store;
    const { memberId: self, incarnation, store, applied } = durable;
    const timeoutMs = 5_000 + 2 * electionMs; // the timeout of a client's request, as in etcd
    this.clusterId = durable.clusterId;
    this.id = self;
    this.store = store;
    this.log = durable.wal;
    this.peers = parts.connect({ ...peersOptions(environment, durable), stats: this.peerStats });
    this.node = createNode(options, this.peers);
    this.proposals = new Proposals(
      { member: self, incarnation, timeoutMs, maxRequestBytes, clock },
      this.node,
      durable.space,
    );
    this.leases = new LeaseKeeper(
      { clock, electionMs, checkpointMs: config.store.leaseCheckpointMs },
      store,
      this.proposals,
    );
    const { newStores, recovered } = durable;
    this.snapshots = new Snapshots(
      { config: config.raft, clock, logger, store, newStores, recovered, applied },
      this.node,
      this.peers,
    );
    ({ passwords: this.passwords, tokens: this.tokens } = options.logins);
    const { proposals, leases, snapshots, tokens } = this;
    this.applier = new Applier(
      store,
      applied,
      { member: self, incarnation },
      { proposals, leases, snapshots, tokens, clock, listener },
    );
    this.reads = new Reads({ timeoutMs, clock }, this.node, this.applier);
    const leaseCalls = new LeaseCalls(this.reads, this.leases, store);
    this.calls = new PeerCalls({ self, incarnation, timeoutMs, clock }, leaseCalls, this.peers);
    this.transfer = new LeadershipTransfer({ self, clock, logger }, this.node);
    this.quota = new SpaceQuota(
      { quotaBytes, shouldDisarmItself, member: self, clock, logger },
      store,
      proposals,
      this.applier,
    );
    this.publisher = new Publisher(this.proposals, clock);
    this.auditFile = openAuditFile(config, environment);
    this.space = durable.space;
    this.space.watchLeadership(this);
    durable.peerIncarnations.watchLog(this.applier);
  }

  /** The number of times that a leader became known; the same leader counts again after it was lost. */
  get leaderChanges(): number {
    return this.elected;
  }

  /** The calls to the leader. */
  get leader(): LeaderCalls {
    return this.calls.leader;
  }

  /** Announces this incarnation to all reachable peers before this member votes: a peer may refuse it as stale. */
  async announce(): Promise<void> {
    const { clock } = this.environment;
    let cancel: () => void = () => undefined;
    const late = new Promise<void>((resolve) => (cancel = clock.after(announceTimeoutMs, resolve)));
    await Promise.race([this.peers.open(this), late]);
    cancel();
  }

  /** Starts consensus: from now on this member votes, acknowledges and leads. */
  participate(): void {
    const { config, environment } = this;
    const { clock, logger } = environment;
    this.isParticipating = true;
    this.node.start(this.applier, this.snapshots, this);
    if (config.store.autoCompaction === undefined) return;
    const { store, node, proposals } = this;
    this.autoCompactor = startAutoCompaction(config.store.autoCompaction, { clock, logger, store, node, proposals });
  }

  /** Publishes this member's name and client URLs; resolves once they are applied here. */
  publish(attributes: MemberAttributes): Promise<void> {
    return this.publisher.publish(this.id, attributes);
  }

  /** Transfers the leadership, if this member leads and has a peer: the others need no election timeout then. */
  async transferLeadership(): Promise<void> {
    if (this.node.status().role !== "leader" || this.applier.members.all.length === 1) return;
    await new Promise<void>((resolve) => this.transfer.beginTransfer(undefined, () => resolve()));
  }

  /** Stops consensus, and makes the applied state durable. */
  async close(): Promise<void> {
    const closed = this.teardown.close();
    this.publisher.stop();
    try {
      await closed;
    } finally {
      await this.auditFile?.close();
    }
  }

  /** Stops all components at once; pending requests end with an error. */
  stop(): void {
    this.autoCompactor?.stop();
    this.node.stop();
    this.peers.close();
    this.snapshots.stop();
    this.applier.stop();
    this.proposals.stop();
    this.reads.stop();
    this.leases.stop();
    this.calls.stop();
    this.transfer.stop();
    this.quota.stop();
    this.passwords.close();
  }

  // Events of consensus.

  onReadState(read: ReadState): void {
    this.reads.onReadState(read);
  }

  onRefusal(refusal: Refusal): void {
    if (refusal.kind === "proposal") this.proposals.onRefusal(refusal);
    else this.reads.onRefusal(refusal.number);
  }

  /** Passes changes of the known leader or its term on, and logs them. */
  onStatusChange(status: CoreStatus): void {
    const { leader, term } = status;
    if (leader === this.known.leader && (term === this.known.term || leader === noMember)) return;
    if (leader !== noMember && leader !== this.known.leader) this.elected++;
    this.known = { leader, term };
    const { logger } = this.environment;
    if (leader === noMember) logger.warn("lost leader", { term });
    else logger.info("elected leader", { leader: formatId(leader), term, self: status.role === "leader" });
    this.proposals.onLeaderChange(leader);
    this.reads.onLeaderChange(leader !== noMember);
    this.leases.onStatusChange(status);
    this.calls.onLeaderChange(status);
    this.snapshots.onStatusChange(status);
    this.listener.onStatusChange(status);
  }

  onTransferEnded(ok: boolean): void {
    this.transfer.onEnded(ok);
  }

  onFailure(error: Error): void {
    this.listener.onFailure(error);
  }

  // Events of the links to the peers.

  onMessage(from: MemberId, message: PeerMessage): void {
    this.node.receiveMessage(from, message);
  }

  onCalls(from: MemberId, calls: Calls): void {
    if (this.isParticipating) this.calls.onCalls(from, calls);
  }

  onSnapshot(from: MemberId, channel: SnapshotChannel): void {
    if (this.isParticipating) this.snapshots.accept(from, channel);
    else channel.close("member is starting");
  }

  /** Stops this member for good: a peer refused it as stale. */
  onFenced(reason: string): void {
    this.peerIncarnations.fence(reason);
    this.listener.onFailure(new StaleDirectoryError(reason));
  }

  onLinkOpened(peer: MemberId): void {
    this.node.onLinkOpened(peer);
    this.snapshots.onReachable(peer);
    if (peer !== this.node.status().leader) return;
    this.proposals.onLeaderReachable();
    this.reads.onLeaderChange(true);
    this.calls.onLeaderReachable();
  }

  onLinkClosed(peer: MemberId): void {
    this.node.onLinkClosed(peer);
    this.calls.onLinkClosed(peer);
  }
}

/** The maximum number of bytes of the audit log in memory; further lines are dropped and counted. */
const maxAuditBytes = 16 * 1024 * 1024;

/** @throws StartError for a file that cannot be opened */
const openAuditFile = (
  { monitoring: { auditLog: path } }: MemberConfig,
  { clock, logger }: MemberEnvironment,
): AppendFile | undefined => {
  if (path === undefined) return undefined;
  const onStateChange = (error: Error | undefined): void => {
    if (error === undefined) logger.info("writing the audit log again", { path });
    else
      logger.warn("cannot write the audit log: lines wait in memory, and those beyond 16 MiB are lost", {
        path,
        error: error.message,
      });
  };
  try {
    return new AppendFile(path, maxAuditBytes, clock, onStateChange);
  } catch (error) {
    const code = errorCode(error) ?? "unknown reason";
    const reason = code === "ENXIO" ? "nobody reads this FIFO (ENXIO)" : code;
    throw new StartError(`cannot open --audit-log ${path}: ${reason}`);
  }
};

const peersOptions = ({ clock, logger }: MemberEnvironment, durable: DurableState): PeersOptions => {
  const { clusterId, memberId: self, peerIncarnations, applied, certificateName } = durable;
  const peers = peersOf(applied.membership, self);
  return { clusterId, self, incarnations: peerIncarnations, peers, certificateName, clock, logger };
};

const createNode = ({ config, environment, durable }: ReplicaOptions, transport: PeerNetwork): RaftNode =>
  new RaftNode({
    core: createCore(config, environment, durable),
    log: durable.wal,
    transport,
    clock: environment.clock,
    heartbeatTicks: heartbeatTicksOf(config),
  });

const heartbeatTicksOf = ({ raft: { heartbeatMs } }: MemberConfig): number =>
  Math.max(1, Math.round(heartbeatMs / tickMs));

const createCore = (
  config: MemberConfig,
  { random }: MemberEnvironment,
  { memberId, applied, recovered: { hardState, base, entries } }: DurableState,
): RaftCore =>
  new RaftCore({
    id: memberId,
    // The bootstrap's configuration has term 1, as in etcd: the first leader is elected in term 2.
    recovered: { hardState: { ...hardState, term: Math.max(1, hardState.term) as Term }, base, entries },
    applied: applied.index,
    heartbeatTicks: heartbeatTicksOf(config),
    electionTicks: Math.max(1, Math.round(config.raft.electionMs / tickMs)),
    random,
  });

const peersOf = (membership: Membership, self: MemberId): Peer[] =>
  membership.all
    .filter((member) => member.ID !== self)
    .map((member) => ({
      id: member.ID as MemberId,
      addresses: member.peerURLs.map(parseMemberUrl).map((url) => ({ ...url.address, isSecure: isSecureUrl(url) })),
    }));

/** Stops consensus at a failure, and passes the events on. */
class StoppingListener implements ReplicaListener {
  /** The first failure. */
  failure: Error | undefined;

  constructor(
    private readonly listener: ReplicaListener,
    private readonly teardown: Teardown,
  ) {}

  onFailure(error: Error): void {
    this.failure ??= error;
    this.teardown.stopNow();
    this.listener.onFailure(error);
  }

  onStatusChange(status: CoreStatus): void {
    this.listener.onStatusChange(status);
  }
}

/** Opens the data directory (creates it for a new member), recovers the state and starts consensus. */
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
    throw asStartError(error, config.member.dataDir);
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
  const events = new StoppingListener(listener, teardown);
  const logins = await openLogins(config, environment);
  const durable = await openDurableState(parts, config, environment, teardown, (error) => events.onFailure(error));
  const replica = new Replica({ parts, config, environment, durable, logins, listener: events, teardown });
  teardown.addStopStep(() => replica.stop());
  const { clusterId, memberId, recovered, applied } = durable;
  logger.info("starting local member", {
    memberId,
    clusterId,
    lastIndex: recovered.entries.at(-1)?.index ?? recovered.base.index,
    applied: applied.index,
  });
  await replica.announce();
  if (!teardown.isStopped) replica.participate(); // the store may have failed meanwhile
  if (events.failure !== undefined) throw events.failure;
  return replica;
};

/** The components of logins. */
interface Logins {
  readonly passwords: Passwords;
  readonly tokens: TokenSource;
}

/** @throws StartError if the keys of JSON Web Tokens cannot be used */
const openLogins = async (
  { security: { auth } }: MemberConfig,
  { clock, secrets }: MemberEnvironment,
): Promise<Logins> => {
  const tokens =
    auth.tokens.kind === "jwt"
      ? await JwtTokens.open(auth.tokens, () => new Date().getTime()) // the expiry of a token is wall-clock time
      : new SimpleTokens({ ttlMs: auth.tokens.ttlMs, clock }, secrets?.randomBelow ?? ((bound) => randomInt(bound)));
  return { passwords: secrets?.passwords ?? threadPasswords(auth.bcryptCost), tokens };
};
