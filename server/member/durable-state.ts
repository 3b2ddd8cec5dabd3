// Opens the state of a member on disk: creates it for a new member, recovers it after a crash.

import { dirname } from "node:path";
import type { Member as MemberMessage } from "../../proto/index.js";
import {
  type Configuration,
  openWal,
  type LogIndex,
  type MemberId,
  type RecoveredLog,
  type Shortage,
  type Term,
  type Wal,
  type WalListener,
} from "../../raft/index.js";
import { openStore, RetryingBackend, type KvStore } from "../../store/index.js";
import {
  Alarms,
  type AppliedState,
  Membership,
  readAppliedState,
  SeenProposals,
  writeAppliedState,
} from "../replication/apply/index.js";
import { clusterIdOf, type InitialMember, logIgnoredFlags, type MemberConfig, memberIdOf } from "../config/index.js";
import { AuthState } from "../auth/index.js";
import { findInitialMembers } from "../bootstrap/index.js";
import { DataDirectory, mustRestart, restartLog } from "../data-dir/index.js";
import { type ClusterId, type Logger, StaleDirectoryError, StartError, storeClockOf } from "../base/index.js";
import { LogSpace, StoreDescriptors, StoreSpace } from "../resources/index.js";
import type { MemberEnvironment, MemberParts } from "./parts.js";
import { PeerIncarnations } from "../peers/index.js";
import { type BackendSource, NewStores, type NewStoresOptions } from "../snapshots/index.js";
import type { Teardown } from "./teardown.js";

/** The identity of a member and its cluster. */
interface MemberIdentity {
  readonly clusterId: ClusterId;
  readonly memberId: MemberId;
  /** The name for which the certificates of peers must be valid; undefined: the hosts of their URLs. */
  readonly certificateName?: string | undefined;
}

/** The opened state of a member on disk. */
export interface DurableState extends MemberIdentity {
  /** Higher than at every earlier start. */
  readonly incarnation: number;
  /** The incarnations of this member and of its peers. */
  readonly peerIncarnations: PeerIncarnations;
  readonly wal: Wal;
  readonly recovered: RecoveredLog;
  /** Watches the disk space of the log. */
  readonly space: LogSpace;
  readonly store: KvStore;
  /** The replicated state in the store. */
  readonly applied: AppliedState;
  /** Creates stores that can replace `store`. */
  readonly newStores: NewStores;
}

/** Opens a member's data directory; `teardown` closes it. */
export const openDurableState = async (
  parts: MemberParts,
  config: MemberConfig,
  environment: MemberEnvironment,
  teardown: Teardown,
  onFailure: (error: Error) => void,
): Promise<DurableState> => {
  const { clock, logger } = environment;
  const directory = teardown.closeLater(await DataDirectory.open(config.member.dataDir, parts.disk));
  const { clusterId, memberId, certificateName }: MemberIdentity =
    directory.owner ?? (await bootstrap(parts, config, environment, directory));
  const descriptors = storeDescriptors(parts, dirname(directory.walPath), environment, teardown);
  const backends = backendSourceOf(parts, dirname(directory.walPath), environment, teardown, descriptors);
  await directory.removeUnusedStores(); // left by a crash during a snapshot
  let failStart: (error: Error) => void = () => undefined;
  const logFailed = new Promise<never>((_, reject) => (failStart = reject));
  logFailed.catch(() => undefined); // after the start, only `onFailure` counts
  // The applied state is correct and stays readable; the state on disk at the next start is unknown.
  const onStoreFailure = (error: Error): void => {
    teardown.stopNow();
    logger.error("the store cannot be written: this member only serves serializable reads until it is restarted", {
      error,
    });
  };
  const { path, installed } = await directory.readStoreInUse();
  const openStore = async (): Promise<OpenedStore> => {
    const store = await openStoreAt(backends, parts.storeLimits, path, environment, onStoreFailure);
    const newStores = teardown.closeLater(
      new NewStores({
        directory: descriptors === undefined ? directory : directoryOf(descriptors, directory),
        backends,
        clock,
        logger,
        store,
      }),
    );
    teardown.closeLater(store);
    if (store.marker === undefined) throw new StartError("the store is damaged: its marker is missing");
    return { store, newStores, applied: readAppliedState(store.marker, store) };
  };
  // The log is read first: if it is damaged, the store is not opened. Only a new log needs the configuration from the store.
  let opened: OpenedStore | undefined;
  const initial = async () => (opened = await openStore()).applied.membership.configuration;
  const { wal, recovered, space } = await openLog(parts, directory.walPath, initial, environment, (error) => {
    failStart(error);
    onFailure(error);
  });
  teardown.closeLater(wal);
  teardown.addStopStep(() => space.stop());
  const { store, newStores, applied } = opened ?? (await openStore());
  if (directory.owner !== undefined) logIgnoredFlags(config, { memberId, members: applied.membership.all }, logger);
  const { index, term } = applied;
  const { configuration } = applied.membership;
  const contained = { index, term, configuration };
  const log = mustRestart(recovered, contained, installed)
    ? await Promise.race([restartLog(wal, recovered, contained), logFailed])
    : recovered;
  if (log !== recovered) logger.warn("restarted the log behind the installed snapshot", { index, term });
  const incarnation = await directory.nextIncarnation();
  const known = applied.seen.incarnationOf(memberId);
  if (known >= incarnation) throw StaleDirectoryError.ofLaterStart(known, incarnation);
  const { random } = environment;
  const peerIncarnations = teardown.closeLater(
    await PeerIncarnations.open({ directory, self: memberId, start: incarnation, random }),
  );
  return {
    clusterId,
    memberId,
    certificateName,
    incarnation,
    peerIncarnations,
    wal,
    recovered: log,
    space,
    store,
    applied,
    newStores,
  };
};

/** A member's store, with the applier's state in it. */
interface OpenedStore {
  readonly store: KvStore;
  readonly newStores: NewStores;
  readonly applied: AppliedState;
}

/** Writes the identity and the initial state to an empty directory. After a crash, it starts over. */
const bootstrap = async (
  parts: MemberParts,
  config: MemberConfig,
  environment: MemberEnvironment,
  directory: DataDirectory,
): Promise<MemberIdentity> => {
  if (config.initialCluster.state === "existing")
    throw new StartError(
      `data directory ${config.member.dataDir} is empty and --initial-cluster-state is "existing": ` +
        'adding members to a running cluster is not supported yet, start all members with "new"',
    );
  const { all, self, certificateName } = await findInitialMembers(config, environment);
  const idOf = ({ peerUrls }: InitialMember): MemberId => memberIdOf(peerUrls, config.initialCluster.token);
  const memberId = idOf(self);
  const clusterId = clusterIdOf(all.map(idOf));
  const path = directory.firstStorePath;
  const store = await openStoreAt(parts, parts.storeLimits, path, environment, () => undefined); // `flush` reports failures
  const membership = new Membership(
    all.map((member): MemberMessage => {
      // Each member publishes its name and client URLs itself once it has started.
      return { ID: idOf(member), name: "", peerURLs: member.peerUrls, clientURLs: [], isLearner: false };
    }),
  );
  const none = { index: 0 as LogIndex, term: 0 as Term };
  try {
    writeAppliedState(store, {
      ...none,
      membership,
      seen: new SeenProposals(),
      alarms: new Alarms(),
      auth: new AuthState(),
    });
    await store.flush();
  } finally {
    await store.close();
  }
  await directory.useStore(path, undefined);
  await directory.recordOwner({ clusterId, memberId });
  environment.logger.info("created a new member", { name: config.member.name, memberId, clusterId });
  return { clusterId, memberId, certificateName };
};

/** Handles the events of the log: passes on failures and shortages, and logs the rest. */
class LogEvents implements WalListener {
  constructor(
    private readonly space: LogSpace,
    private readonly logger: Logger,
    private readonly fail: (error: Error) => void,
  ) {}

  onFailure(error: Error): void {
    this.fail(error);
  }

  onFull(full: boolean, shortage: Shortage): void {
    this.space.onFull(full, shortage);
  }

  onRemovalFailure(error: Error): void {
    this.logger.warn("cannot remove an obsolete WAL segment", { error });
  }
}

/** Opens the log, and watches its disk space. A new log begins with the configuration that `initial` returns. */
const openLog = async (
  { disk, segmentBytes, reserves }: MemberParts,
  directory: string,
  initial: () => Promise<Configuration>,
  { clock, logger }: MemberEnvironment,
  onFailure: (error: Error) => void,
): Promise<{ wal: Wal; recovered: RecoveredLog; space: LogSpace }> => {
  const space = new LogSpace({ clock, logger, directory });
  const listener = new LogEvents(space, logger, onFailure);
  const size = segmentBytes === undefined ? {} : { segmentBytes };
  const reserveBytes = reserves?.logBytes ?? 0;
  const { wal, recovered } = await openWal({
    disk,
    directory,
    loadInitialConfiguration: initial,
    ...size,
    reserveBytes,
    listener,
    clock,
  });
  space.watchLog(wal);
  if (recovered.repaired !== undefined) logger.warn("repaired the write-ahead log", { ...recovered.repaired });
  return { wal, recovered, space };
};

/** Returns the handler of a store's lack of file descriptors; undefined: the process does not count them. */
const storeDescriptors = (
  { descriptors }: MemberParts,
  directory: string,
  { clock, logger }: MemberEnvironment,
  teardown: Teardown,
): StoreDescriptors | undefined => {
  if (descriptors === undefined) return undefined;
  const source = new StoreDescriptors({ descriptors, directory, clock, logger });
  teardown.addStopStep(() => source.stop());
  return source;
};

/** Returns a directory whose stores can be replaced as soon as there are file descriptors for it. */
const directoryOf = (descriptors: StoreDescriptors, directory: DataDirectory): NewStoresOptions["directory"] => ({
  prepareStorePath: () => directory.prepareStorePath(),
  useStore: (path, installed) => descriptors.retryForDescriptors(() => directory.useStore(path, installed)),
  removeUnusedStores: () => directory.removeUnusedStores(),
});

/** Returns a source of stores whose writes wait while the disk is nearly full, or file descriptors are nearly used up. */
const backendSourceOf = (
  parts: MemberParts,
  directory: string,
  { clock, logger }: MemberEnvironment,
  teardown: Teardown,
  descriptors: StoreDescriptors | undefined,
): BackendSource => {
  const { disk, reserves } = parts;
  const space = reserves && new StoreSpace({ disk, directory, reserveBytes: reserves.storeBytes, clock, logger });
  if (space !== undefined) teardown.addStopStep(() => space.stop());
  return {
    openBackend: async (path) => {
      const backend = await parts.openBackend(path);
      if (space === undefined && descriptors === undefined) return backend;
      return new RetryingBackend(backend, { descriptors, space });
    },
  };
};

const openStoreAt = async (
  backends: BackendSource,
  storeLimits: MemberParts["storeLimits"],
  path: string,
  { clock }: MemberEnvironment,
  onFailure: (error: Error) => void,
): Promise<KvStore> =>
  openStore({
    backend: await backends.openBackend(path),
    clock: storeClockOf(clock),
    onFailure,
    ...(storeLimits === undefined ? {} : { limits: storeLimits }),
  });
