// The wire: etcd's v3 messages and services, and the messages in our own log. 64-bit fields are `bigint`.

export { counterFromRequest, counterFromResponse, CounterError } from "./counters.js";
export { fileDescriptorSet } from "./generated/descriptors.js";
export { type FieldRow, type FieldType, messageTables } from "./generated/message-fields.js";
export { Event_EventType, KeyValue, Event } from "./generated/mvccpb/kv.js";
export { Permission_Type, UserAddOptions, User, Permission, Role } from "./generated/authpb/auth.js";
export { ResponseHeader } from "./generated/etcdserverpb/header.js";
export {
  KVDefinition,
  RangeRequest_SortOrder,
  RangeRequest_SortTarget,
  Compare_CompareResult,
  Compare_CompareTarget,
  RangeRequest,
  RangeResponse,
  RangeStreamResponse,
  PutRequest,
  PutResponse,
  DeleteRangeRequest,
  DeleteRangeResponse,
  RequestOp,
  ResponseOp,
  Compare,
  TxnRequest,
  TxnResponse,
  CompactionRequest,
  CompactionResponse,
} from "./generated/etcdserverpb/kv.js";
export {
  WatchDefinition,
  WatchCreateRequest_FilterType,
  WatchRequest,
  WatchCreateRequest,
  WatchCancelRequest,
  WatchProgressRequest,
  WatchResponse,
} from "./generated/etcdserverpb/watch.js";
export {
  LeaseDefinition,
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseRevokeRequest,
  LeaseRevokeResponse,
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
  LeaseLeasesRequest,
  LeaseStatus,
  LeaseLeasesResponse,
  LeaseCheckpoint,
  LeaseCheckpointRequest,
  LeaseCheckpointResponse,
} from "./generated/etcdserverpb/lease.js";
export {
  ClusterDefinition,
  Member,
  MemberAddRequest,
  MemberAddResponse,
  MemberRemoveRequest,
  MemberRemoveResponse,
  MemberUpdateRequest,
  MemberUpdateResponse,
  MemberListRequest,
  MemberListResponse,
  MemberPromoteRequest,
  MemberPromoteResponse,
} from "./generated/etcdserverpb/cluster.js";
export {
  MaintenanceDefinition,
  AlarmType,
  AlarmRequest_AlarmAction,
  DowngradeRequest_DowngradeAction,
  AlarmRequest,
  AlarmMember,
  AlarmResponse,
  StatusRequest,
  StatusResponse,
  DowngradeInfo,
  DefragmentRequest,
  DefragmentResponse,
  HashRequest,
  HashResponse,
  HashKVRequest,
  HashKVResponse,
  SnapshotRequest,
  SnapshotResponse,
  MoveLeaderRequest,
  MoveLeaderResponse,
  DowngradeRequest,
  DowngradeResponse,
  DowngradeVersionTestRequest,
} from "./generated/etcdserverpb/maintenance.js";
export {
  AuthDefinition,
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
} from "./generated/etcdserverpb/auth.js";
export { LockDefinition, LockRequest, LockResponse, UnlockRequest, UnlockResponse } from "./generated/v3lockpb/lock.js";
export {
  ElectionDefinition,
  CampaignRequest,
  CampaignResponse,
  LeaderKey,
  LeaderRequest,
  LeaderResponse,
  ResignRequest,
  ResignResponse,
  ProclaimRequest,
  ProclaimResponse,
} from "./generated/v3electionpb/election.js";
export {
  HealthDefinition,
  HealthCheckResponse_ServingStatus,
  HealthCheckRequest,
  HealthCheckResponse,
  HealthListRequest,
  HealthListResponse,
} from "./generated/grpc/health/v1/health.js";
export {
  ServerReflectionDefinition,
  ServerReflectionRequest,
  ServerReflectionResponse,
} from "./generated/grpc/reflection/v1/reflection.js";
export {
  RawRangeResponse,
  RawPutResponse,
  RawDeleteRangeResponse,
  RawResponseOp,
  RawTxnResponse,
  RawEvent,
  RawWatchResponse,
} from "./generated/minietcd/raw.js";
export {
  Proposal,
  AuthStatus,
  Login,
  MemberAttributes,
  AppliedMarker,
  SeenProposals,
} from "./generated/minietcd/command.js";
export { Calls, CallRequest, CallResponse, LeaseQuery } from "./generated/minietcd/calls.js";
export {
  compactionRequestDecoder,
  deleteRangeRequestDecoder,
  putRequestDecoder,
  rangeRequestDecoder,
  txnRequestDecoder,
} from "./codec/kv-requests.js";
export {
  deleteRangeRequestEncoder,
  putRequestEncoder,
  rangeRequestEncoder,
  txnRequestEncoder,
} from "./codec/request-writer.js";
export { putResponseDecoder, rangeResponseDecoder } from "./codec/kv-answers.js";
export {
  encodeDeleteRangeResponse,
  encodeHeader,
  encodeLeaseResponse,
  encodePutResponse,
  encodeRangeEnd,
  encodeRangeResponse,
  encodeTxnResponse,
  HeaderEncoder,
} from "./codec/kv-responses.js";
export { decodeCalls, encodeCalls } from "./codec/calls.js";
export { type DecodedProposal, decodeProposal, encodeProposal, type ProposalUser } from "./codec/proposal.js";
export { encodeEvent } from "./codec/watch.js";
export { numberSize, writeNumber } from "./codec/back-writer.js";
export type { MessageFns } from "./generated/mvccpb/kv.js";
export { socketPathProblem } from "./socket-path.js";
