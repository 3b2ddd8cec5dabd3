// Maintenance: status, alarms, leadership and hashes. A call that takes an endpoint goes to that member only.
import {
  AlarmRequest_AlarmAction as AlarmAction,
  AlarmType,
  MaintenanceDefinition,
  counterFromResponse,
  DowngradeRequest_DowngradeAction,
  type AlarmMember,
  type DowngradeInfo,
  type SnapshotRequest,
} from "../proto/index.js";
import {
  type Endpoints,
  type Header,
  headerOf,
  type RequestOptions,
  streamMethod,
  type StreamMethod,
  unaryMethod,
} from "./transport/index.js";

/** The state of one member. @see etcd v3 API, StatusResponse */
export interface StatusResult {
  readonly header: Header;
  /** Version of the server program, such as "3.5.16". */
  readonly version: string;
  /** Size of the database on disk, in bytes. */
  readonly dbSize: number;
  /** Bytes of `dbSize` that hold data. */
  readonly dbSizeInUse: number;
  /** Quota of the database, in bytes; 0 from servers before 3.6. */
  readonly dbSizeQuota: number;
  /** Id of the leader; 0n: unknown. */
  readonly leader: bigint;
  /** Term of the member. */
  readonly raftTerm: number;
  /** Last index known to be committed. */
  readonly raftIndex: number;
  /** Last index that the store has applied. */
  readonly raftAppliedIndex: number;
  /** Whether the member does not vote. */
  readonly isLearner: boolean;
  /** Alarms, and whether there is no leader. */
  readonly errors: readonly string[];
  /** Empty from servers before 3.6. */
  readonly storageVersion: string;
  /** The downgrade under way; undefined from servers before 3.6. */
  readonly downgradeInfo: DowngradeInfo | undefined;
}

/** A hash of one member's keys and history. @see etcd v3 API, HashKVResponse */
export interface HashKvResult {
  readonly header: Header;
  /** Equal on members with equal `compactRevision`. */
  readonly hash: number;
  /** The revision up to which the history is compacted. */
  readonly compactRevision: number;
  /** 0 from servers before 3.6. */
  readonly hashRevision: number;
}

/** The alarms that a call has listed or deactivated. @see etcd v3 API, AlarmResponse */
export interface AlarmResult {
  readonly header: Header;
  readonly alarms: readonly AlarmMember[];
}

/** The answer to a downgrade request. @see etcd v3 API, DowngradeResponse */
export interface DowngradeResult {
  readonly header: Header;
  /** Version of the cluster. */
  readonly version: string;
}

/** A piece of a backup. @see etcd v3 API, SnapshotResponse */
export interface SnapshotPart {
  /** The next bytes of the backup. */
  readonly bytes: Uint8Array;
  /** Bytes that follow this part, not counting the checksum at the end. */
  readonly remainingBytes: number;
  /** Version of etcd's storage format in the backup; empty from servers before 3.6. */
  readonly version: string;
}

const downgradeActions = {
  validate: DowngradeRequest_DowngradeAction.VALIDATE,
  enable: DowngradeRequest_DowngradeAction.ENABLE,
  cancel: DowngradeRequest_DowngradeAction.CANCEL,
} as const;

/** A step of a downgrade. */
export type DowngradeAction = keyof typeof downgradeActions;

const listAlarms = unaryMethod("read", MaintenanceDefinition, MaintenanceDefinition.methods.alarm);
const changeAlarm = unaryMethod("write", MaintenanceDefinition, MaintenanceDefinition.methods.alarm);
const status = unaryMethod("read", MaintenanceDefinition, MaintenanceDefinition.methods.status);
const moveLeader = unaryMethod("write", MaintenanceDefinition, MaintenanceDefinition.methods.moveLeader);
const defragment = unaryMethod("write", MaintenanceDefinition, MaintenanceDefinition.methods.defragment);
const downgrade = unaryMethod("write", MaintenanceDefinition, MaintenanceDefinition.methods.downgrade);
const hashKv = unaryMethod("read", MaintenanceDefinition, MaintenanceDefinition.methods.hashKV);
const snapshotMethod = streamMethod(MaintenanceDefinition, MaintenanceDefinition.methods.snapshot);
const snapshotParts: StreamMethod<SnapshotRequest, SnapshotPart> = {
  ...snapshotMethod,
  decode: (message) => {
    const { blob, remainingBytes, version } = snapshotMethod.decode(message);
    return { bytes: blob, remainingBytes: counterFromResponse(remainingBytes), version };
  },
};

/** Status, alarms, leadership, hashes and backups. @see etcd v3 API, Maintenance */
export class Maintenance {
  constructor(private readonly endpoints: Endpoints) {}

  /** Returns the state of the member at an endpoint. */
  async status(endpoint: string, options: RequestOptions = {}): Promise<StatusResult> {
    const response = await this.endpoints.callAt(endpoint, status, {}, options);
    return {
      header: headerOf(response.header),
      version: response.version,
      dbSize: counterFromResponse(response.dbSize),
      dbSizeInUse: counterFromResponse(response.dbSizeInUse),
      dbSizeQuota: counterFromResponse(response.dbSizeQuota),
      leader: response.leader,
      raftTerm: counterFromResponse(response.raftTerm),
      raftIndex: counterFromResponse(response.raftIndex),
      raftAppliedIndex: counterFromResponse(response.raftAppliedIndex),
      isLearner: response.isLearner,
      errors: response.errors,
      storageVersion: response.storageVersion,
      downgradeInfo: response.downgradeInfo,
    };
  }

  /** Lists the active alarms of all members, confirmed by a quorum. The request goes to any endpoint. */
  async alarmList(options: RequestOptions = {}): Promise<AlarmResult> {
    const request = { action: AlarmAction.GET, memberID: 0n, alarm: AlarmType.NONE };
    const { header, alarms } = await this.endpoints.call(listAlarms, request, options);
    return { header: headerOf(header), alarms };
  }

  /**
   * Deactivates an alarm.
   *
   * @returns a list with the alarm, which is empty if the alarm was not active
   */
  async alarmDisarm({ memberID, alarm }: AlarmMember, options: RequestOptions = {}): Promise<AlarmResult> {
    const request = { action: AlarmAction.DEACTIVATE, memberID, alarm };
    const { header, alarms } = await this.endpoints.call(changeAlarm, request, options);
    return { header: headerOf(header), alarms };
  }

  /**
   * Transfers the leadership to another member; resolves when that member leads.
   *
   * @param endpoint the current leader's: other members refuse the request
   * @param target the transferee's member id
   */
  async moveLeader(endpoint: string, target: bigint, options: RequestOptions = {}): Promise<void> {
    await this.endpoints.callAt(endpoint, moveLeader, { targetID: target }, options);
  }

  /**
   * Requests a step of a downgrade of the cluster. minietcd supports no downgrade: it answers UNIMPLEMENTED to `enable`.
   *
   * @param version the target version, such as "3.6"; empty for `cancel`
   */
  async downgrade(action: DowngradeAction, version = "", options: RequestOptions = {}): Promise<DowngradeResult> {
    const request = { action: downgradeActions[action], version };
    const response = await this.endpoints.call(downgrade, request, options);
    return { header: headerOf(response.header), version: response.version };
  }

  /** Returns unused space of one member's database to the file system. */
  async defragment(endpoint: string, options: RequestOptions = {}): Promise<void> {
    await this.endpoints.callAt(endpoint, defragment, {}, options);
  }

  /**
   * Hashes the history up to a revision.
   *
   * @param revision 0: the newest
   */
  async hashKv(endpoint: string, revision = 0, options: RequestOptions = {}): Promise<HashKvResult> {
    const response = await this.endpoints.callAt(endpoint, hashKv, { revision: BigInt(revision) }, options);
    return {
      header: headerOf(response.header),
      hash: response.hash,
      compactRevision: counterFromResponse(response.compactRevision),
      hashRevision: counterFromResponse(response.hashRevision),
    };
  }

  /**
   * Reads a backup of one member of etcd, part by part: the database file, followed by its SHA-256 in the last 32 bytes. The
   * member waits while the caller takes no part. Members of minietcd answer UNIMPLEMENTED.
   *
   * @param options `timeoutMs` limits the time until the first part
   */
  snapshot(endpoint: string, options: RequestOptions = {}): AsyncGenerator<SnapshotPart, void, void> {
    return this.endpoints.answersAt(endpoint, snapshotParts, {}, options);
  }
}
