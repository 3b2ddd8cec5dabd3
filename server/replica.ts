import type { Member as MemberMessage } from "../proto/index.js";
import {
  noMember,
  openWal,
  RaftCore,
  RaftNode,
  nodeDisk,
  tickMs,
  type Clock,
  type CoreStatus,
  type LogIndex,
  type MemberId,
  type RecoveredLog,
  type Term,
  type Wal,
} from "../raft/index.js";
import { openDiskBackend, openStore, type KvStore } from "../store/index.js";
import { Applier, decodeMarker, encodeMarker, type Applied, type AppliedState } from "./applier.js";
import { checkInitialCluster, type InitialMember, type MemberConfig } from "./config.js";
import { DataDirectory } from "./data-dir.js";
import { ServerError, StartError, type ServerErrorCode } from "./errors.js";
import { clusterIdOf, memberIdOf } from "./identity.js";
import { LeaseKeeper } from "./lease-keeper.js";
import { serveLeaseCalls } from "./lease-calls.js";
import { formatId, type Logger } from "./logger.js";
import { LogSpace } from "./log-space.js";
import type { MemberEnvironment } from "./member.js";
import { Membership } from "./membership.js";
import { asStartError } from "./open-failure.js";
import { PeerCalls } from "./peers/calls.js";
import type { LeaderCalls } from "./peers/leader-calls.js";
import { Peers, type Peer } from "./peers/peers.js";
import { Proposals } from "./proposals.js";
import { Reads } from "./reads.js";
import { SeenProposals } from "./seen-proposals.js";
import { parseMemberUrl } from "./urls.js";

/** After these, what was proposed may succeed later. */
const worthAnotherTry = new Set<ServerErrorCode>([
  "not-proposed",
  "timed-out",
  "leader-lost",
  "too-many-requests",
  "no-space",
]);
const publishRetryMs = 500;

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

  constructor(
    readonly clusterId: bigint,
    readonly id: MemberId,
    readonly node: RaftNode,
    readonly store: KvStore,
    readonly applier: Applier,
    readonly proposals: Proposals<Applied>,
    readonly reads: Reads,
    readonly leases: LeaseKeeper,
    readonly leader: LeaderCalls,
    readonly peers: Peers,
    private readonly clock: Clock,
    private readonly teardown: Teardown,
  ) {}

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
  config: MemberConfig,
  environment: MemberEnvironment,
  listener: ReplicaListener,
): Promise<Replica> => {
  const teardown = new Teardown();
  try {
    return await start(config, environment, listener, teardown);
  } catch (error) {
    await teardown.close();
    throw asStartError(error, config.dataDir);
  }
};

/** What has to end with the replica: what takes part ends at once, what is open on disk after it in reverse order. */
class Teardown {
  private readonly stops: (() => void)[] = [];
  private readonly files: { close(): Promise<void> }[] = [];

  onStop(...stops: (() => void)[]): void {
    this.stops.push(...stops);
  }

  opened<File extends { close(): Promise<void> }>(file: File): File {
    this.files.push(file);
    return file;
  }

  stopNow(): void {
    for (const stop of this.stops.splice(0)) stop();
  }

  /** One that cannot be closed keeps none of the others open; the first reason is thrown at the end. */
  async close(): Promise<void> {
    this.stopNow();
    const failures: unknown[] = [];
    for (let file = this.files.pop(); file !== undefined; file = this.files.pop())
      await file.close().catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  }
}

const start = async (
  config: MemberConfig,
  environment: MemberEnvironment,
  listener: ReplicaListener,
  teardown: Teardown,
): Promise<Replica> => {
  const { clock, logger } = environment;
  const onFailure = (error: Error): void => {
    teardown.stopNow();
    listener.onFailure(error);
  };
  const directory = teardown.opened(await DataDirectory.open(config.dataDir));
  const { clusterId, memberId } = directory.owner ?? (await bootstrap(config, environment, directory));
  const { wal, recovered, space } = await openLog(directory.walPath, environment, onFailure);
  teardown.opened(wal);
  teardown.onStop(() => space.stop());
  // What was applied is right, and stays readable; but what the next start will find on disk nobody knows.
  const onStoreFailure = (error: Error): void => {
    teardown.stopNow();
    logger.error("the store cannot be written: this member only serves serializable reads until it is restarted", {
      error,
    });
  };
  const store = teardown.opened(await openStoreAt(await directory.storePath(), environment, onStoreFailure));
  const state = recoverState(store, recovered);
  const incarnation = await directory.nextIncarnation();

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
  const applier = new Applier(store, state, { member: memberId, incarnation }, proposals, leases);
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
  const peers = new Peers({
    clusterId,
    self: memberId,
    peers: peersOf(state.membership, memberId),
    clock,
    logger,
    onMessage: (from, message) => node.receive(from, message),
    onCalls: (from, message) => calls.received(from, message),
    onLinkClosed: (peer) => {
      node.linkClosed(peer);
      calls.linkClosed(peer);
    },
  });
  const leaderChanged = watchLeader(logger, (status) => {
    proposals.leaderChanged(status.leader !== noMember);
    reads.leaderChanged(status.leader !== noMember);
    leases.statusChanged(status);
    calls.leaderChanged(status.leader);
    listener.onStatusChange(status);
  });
  const node = new RaftNode({
    core: createCore(config, environment, memberId, state, recovered),
    log: wal,
    transport: peers,
    machine: applier,
    listener: {
      onReadState: (read) => reads.confirmed(read),
      onRefusal: (refusal) =>
        refusal.what === "proposal" ? proposals.refused(refusal) : reads.refused(refusal.number),
      onStatusChange: leaderChanged,
      onFailure,
    },
    clock,
    heartbeatTicks: heartbeatTicksOf(config),
  });
  teardown.onStop(
    () => node.stop(),
    () => peers.close(),
    () => applier.stop(),
    () => proposals.stop(),
    () => reads.stop(),
    () => leases.stop(),
    () => calls.stop(),
  );
  logger.info("taking part", {
    memberId,
    clusterId,
    lastIndex: recovered.entries.at(-1)?.index ?? 0,
    applied: state.index,
  });
  peers.open();
  node.start();
  return new Replica(
    clusterId,
    memberId,
    node,
    store,
    applier,
    proposals,
    reads,
    leases,
    calls.leader,
    peers,
    clock,
    teardown,
  );
};

/** Gives an empty directory its identity and its first state. Repeated from the start if it is cut short. */
const bootstrap = async (
  config: MemberConfig,
  environment: MemberEnvironment,
  directory: DataDirectory,
): Promise<{ clusterId: bigint; memberId: MemberId }> => {
  if (config.initialClusterState === "existing")
    throw new StartError(
      `data directory ${config.dataDir} is empty and --initial-cluster-state is "existing": ` +
        'adding members to a running cluster is not supported yet, start all members with "new"',
    );
  checkInitialCluster(config);
  const idOf = ({ peerUrls }: InitialMember): MemberId => memberIdOf(peerUrls, config.initialClusterToken);
  const self = config.initialCluster.find((member) => member.name === config.name);
  if (self === undefined) throw new StartError(`couldn't find local name "${config.name}" in the initial cluster`);
  const memberId = idOf(self);
  const clusterId = clusterIdOf(config.initialCluster.map(idOf));
  const store = await openStoreAt(await directory.createStore(), environment, () => undefined); // `flush` tells
  const membership = new Membership(
    config.initialCluster.map((member): MemberMessage => {
      // Name and client URLs are published by each member itself once it has started.
      return { ID: idOf(member), name: "", peerURLs: member.peerUrls, clientURLs: [], isLearner: false };
    }),
  );
  const none = { index: 0 as LogIndex, term: 0 as Term };
  try {
    store.endRound(encodeMarker({ ...none, membership, seen: new SeenProposals() }));
    await store.flush();
  } finally {
    await store.close();
  }
  await directory.begin({ clusterId, memberId });
  environment.logger.info("created a new member", { name: config.name, memberId, clusterId });
  return { clusterId, memberId };
};

/** The log, and whether it has space to go on. */
const openLog = async (
  directory: string,
  { clock, logger }: MemberEnvironment,
  onFailure: (error: Error) => void,
): Promise<{ wal: Wal; recovered: RecoveredLog; space: LogSpace }> => {
  const space = new LogSpace({ clock, logger, directory, retry: () => wal.retryNextSegment() });
  const onFull = (full: boolean): void => space.changed(full);
  const { wal, recovered } = await openWal({ disk: nodeDisk, directory, onFailure, onFull });
  if (recovered.repaired !== undefined) logger.warn("repaired the write-ahead log", { ...recovered.repaired });
  return { wal, recovered, space };
};

const openStoreAt = async (
  path: string,
  { clock }: MemberEnvironment,
  onFailure: (error: Error) => void,
): Promise<KvStore> => {
  const storeClock = {
    setTimeout: (callback: () => void, ms: number) => clock.after(ms, callback),
    clearTimeout: (cancel: unknown) => (cancel as () => void)(),
  };
  const backend = await openDiskBackend(path);
  try {
    return await openStore({ backend, clock: storeClock, onFailure });
  } catch (error) {
    await backend.close();
    throw error;
  }
};

/** What the store holds of the log; it can never be more than the log itself. */
const recoverState = (store: KvStore, { entries }: RecoveredLog): AppliedState => {
  if (store.marker === undefined) throw new StartError("the store is damaged: it does not say what it contains");
  const state = decodeMarker(store.marker);
  const last = entries.at(-1)?.index ?? 0;
  const termThere = state.index === 0 ? 0 : entries[state.index - (entries[0]?.index ?? 1)]?.term;
  if (state.index > last || termThere !== state.term)
    throw new StartError(
      `the store contains the log up to entry ${state.index} of term ${state.term}, but the write-ahead log ` +
        `ends at ${last}: its files are damaged or from another time`,
    );
  return state;
};

const heartbeatTicksOf = ({ heartbeatMs }: MemberConfig): number => Math.max(1, Math.round(heartbeatMs / tickMs));

const createCore = (
  config: MemberConfig,
  { random }: MemberEnvironment,
  id: MemberId,
  { index, membership }: AppliedState,
  { hardState, entries }: RecoveredLog,
): RaftCore =>
  new RaftCore({
    id,
    voters: membership.all.map((member) => member.ID),
    // As in etcd, term 1 is the bootstrap that named the members: the first leader is elected in term 2.
    hardState: { ...hardState, term: Math.max(1, hardState.term) as Term },
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
