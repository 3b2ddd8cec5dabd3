// The boundary between the transports and the member. The services, the pages of HTTP and tests call these operations; the gateway and
// the in-process client of a test call them through the method table of the services. Wrappers check the conditions of every request.

import type {
  AlarmRequest,
  AlarmResponse,
  AuthEnableRequest,
  AuthEnableResponse,
  AuthDisableRequest,
  AuthDisableResponse,
  AuthStatusRequest,
  AuthStatusResponse,
  AuthenticateRequest,
  AuthenticateResponse,
  AuthUserAddRequest,
  AuthUserAddResponse,
  AuthUserGetRequest,
  AuthUserGetResponse,
  AuthUserListRequest,
  AuthUserListResponse,
  AuthUserDeleteRequest,
  AuthUserDeleteResponse,
  AuthUserChangePasswordRequest,
  AuthUserChangePasswordResponse,
  AuthUserGrantRoleRequest,
  AuthUserGrantRoleResponse,
  AuthUserRevokeRoleRequest,
  AuthUserRevokeRoleResponse,
  AuthRoleAddRequest,
  AuthRoleAddResponse,
  AuthRoleGetRequest,
  AuthRoleGetResponse,
  AuthRoleListRequest,
  AuthRoleListResponse,
  AuthRoleDeleteRequest,
  AuthRoleDeleteResponse,
  AuthRoleGrantPermissionRequest,
  AuthRoleGrantPermissionResponse,
  AuthRoleRevokePermissionRequest,
  AuthRoleRevokePermissionResponse,
  DefragmentRequest,
  DowngradeRequest,
  DowngradeResponse,
  HashRequest,
  HashResponse,
  HashKVRequest,
  HashKVResponse,
  Member,
  MemberListRequest,
  MoveLeaderRequest,
  StatusRequest,
  StatusResponse,
  CompactionRequest,
  CompactionResponse,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RawDeleteRangeResponse,
  RawPutResponse,
  RawRangeResponse,
  RawTxnResponse,
  TxnRequest,
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseLeasesRequest,
  LeaseRevokeRequest,
  LeaseRevokeResponse,
  LeaseTimeToLiveRequest,
} from "../../proto/index.js";
import type { Answer, LeaseId } from "../../store/index.js";
import type { Caller, ResultHandler } from "../base/index.js";
import type {
  ChunkReceiver,
  ChunkSession,
  KeepAliveSession,
  SessionListener,
  WatchListener,
  WatchSession,
} from "./sessions.js";

/**
 * The request and result of each operation that has one request and one result. The messages are etcd's. A response has no header: its
 * revision is a field of the answer. Keys and values in a response may be encoded, as they are stored
 * (`proto/minietcd/raw.proto`).
 */
export interface Operations {
  /** Reads keys at one revision. Linearizable unless the request says `serializable`. */
  readonly range: { readonly request: RangeRequest; readonly result: Answer<RawRangeResponse> };
  readonly put: { readonly request: PutRequest; readonly result: Answer<RawPutResponse> };
  readonly deleteRange: { readonly request: DeleteRangeRequest; readonly result: Answer<RawDeleteRangeResponse> };
  /** Needs no quorum if both branches only read, and only with `serializable`. */
  readonly txn: { readonly request: TxnRequest; readonly result: Answer<RawTxnResponse> };
  /** Compacts the history; with `physical`, the result comes once all older revisions are removed. */
  readonly compact: { readonly request: CompactionRequest; readonly result: Answer<CompactionResponse> };
  /** Grants a lease; chooses an id if the request has none, and raises a TTL that is shorter than an election. */
  readonly leaseGrant: { readonly request: LeaseGrantRequest; readonly result: Answer<LeaseGrantResponse> };
  readonly leaseRevoke: { readonly request: LeaseRevokeRequest; readonly result: Answer<LeaseRevokeResponse> };
  readonly leaseTimeToLive: { readonly request: LeaseTimeToLiveRequest; readonly result: Answer<LeaseTimeToLive> };
  /** Lists all leases; on the leader in the order of their expiry. */
  readonly leaseLeases: { readonly request: LeaseLeasesRequest; readonly result: Answer<readonly LeaseListItem[]> };
  /** Lists the members of the cluster, by id. The answer has no revision. */
  readonly memberList: { readonly request: MemberListRequest; readonly result: readonly Member[] };
  /** Returns the status of this member alone. */
  readonly status: { readonly request: StatusRequest; readonly result: Answer<StatusResponse> };
  /** Hashes the key space of this member's store. */
  readonly hashKv: { readonly request: HashKVRequest; readonly result: Answer<HashKVResponse> };
  /** Hashes all rows of this member's store. */
  readonly hash: { readonly request: HashRequest; readonly result: Answer<HashResponse> };
  /** Defragments this member's store; the result comes at the end. */
  readonly defragment: { readonly request: DefragmentRequest; readonly result: undefined };
  readonly downgrade: { readonly request: DowngradeRequest; readonly result: Answer<DowngradeResponse> };
  readonly alarm: { readonly request: AlarmRequest; readonly result: Answer<AlarmResponse> };
  /** Transfers the leadership; the result comes once this member knows the transferee as leader. */
  readonly moveLeader: { readonly request: MoveLeaderRequest; readonly result: undefined };
  /** Enables authentication. */
  readonly authEnable: { readonly request: AuthEnableRequest; readonly result: Answer<AuthEnableResponse> };
  readonly authDisable: { readonly request: AuthDisableRequest; readonly result: Answer<AuthDisableResponse> };
  /** Tells whether authentication is on; needs no token. */
  readonly authStatus: { readonly request: AuthStatusRequest; readonly result: Answer<AuthStatusResponse> };
  /** Checks a name and a password, and issues a token. */
  readonly authenticate: { readonly request: AuthenticateRequest; readonly result: Answer<AuthenticateResponse> };
  readonly userAdd: { readonly request: AuthUserAddRequest; readonly result: Answer<AuthUserAddResponse> };
  readonly userGet: { readonly request: AuthUserGetRequest; readonly result: Answer<AuthUserGetResponse> };
  readonly userList: { readonly request: AuthUserListRequest; readonly result: Answer<AuthUserListResponse> };
  readonly userDelete: { readonly request: AuthUserDeleteRequest; readonly result: Answer<AuthUserDeleteResponse> };
  readonly userChangePassword: {
    readonly request: AuthUserChangePasswordRequest;
    readonly result: Answer<AuthUserChangePasswordResponse>;
  };
  readonly userGrantRole: {
    readonly request: AuthUserGrantRoleRequest;
    readonly result: Answer<AuthUserGrantRoleResponse>;
  };
  readonly userRevokeRole: {
    readonly request: AuthUserRevokeRoleRequest;
    readonly result: Answer<AuthUserRevokeRoleResponse>;
  };
  readonly roleAdd: { readonly request: AuthRoleAddRequest; readonly result: Answer<AuthRoleAddResponse> };
  readonly roleGet: { readonly request: AuthRoleGetRequest; readonly result: Answer<AuthRoleGetResponse> };
  readonly roleList: { readonly request: AuthRoleListRequest; readonly result: Answer<AuthRoleListResponse> };
  readonly roleDelete: { readonly request: AuthRoleDeleteRequest; readonly result: Answer<AuthRoleDeleteResponse> };
  readonly roleGrantPermission: {
    readonly request: AuthRoleGrantPermissionRequest;
    readonly result: Answer<AuthRoleGrantPermissionResponse>;
  };
  readonly roleRevokePermission: {
    readonly request: AuthRoleRevokePermissionRequest;
    readonly result: Answer<AuthRoleRevokePermissionResponse>;
  };
}

/** The answer about the remaining time of a lease. */
export interface LeaseTimeToLive {
  readonly ID: LeaseId;
  /** Whole seconds until the lease expires; -1: no such lease. */
  readonly TTL: bigint;
  /** The TTL of the grant, in seconds. */
  readonly grantedTTL: bigint;
  /** The field `keys` of a LeaseTimeToLiveResponse, encoded; empty if the request does not ask for keys. */
  readonly encodedKeys: Uint8Array;
}

/** A lease in the answer to LeaseLeases. */
export interface LeaseListItem {
  readonly id: LeaseId;
}

/** The name of an operation with one request and one result. */
export type OperationName = keyof Operations;

/**
 * An operation of etcd. `handler` is called once, at once or later, and does not throw. The caller does not change the request,
 * or its bytes, after the call: this member applies the request itself, other members apply its encoding.
 *
 * @throws ServerError, StoreError if the request is refused at once; the handler is not called then
 */
export type Operation<Name extends OperationName> = (
  caller: Caller,
  request: Operations[Name]["request"],
  handler: ResultHandler<Operations[Name]["result"]>,
) => void;

/** The operations with one request and one result. */
export type SingleOperations = { readonly [Name in OperationName]: Operation<Name> };

/** etcd's operations, as one member serves them. */
export interface Application extends SingleOperations {
  /** @throws ServerError if the session is refused */
  readonly leaseKeepAlive: (caller: Caller, listener: SessionListener) => KeepAliveSession;
  /**
   * Reads keys at one revision, in chunks, while the listener has room.
   *
   * @throws ServerError if the request is refused
   */
  readonly rangeStream: (caller: Caller, request: RangeRequest, listener: ChunkReceiver) => ChunkSession;
  /** @throws ServerError if the session is refused */
  readonly watch: (caller: Caller, listener: WatchListener) => WatchSession;
}
