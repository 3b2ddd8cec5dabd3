import type { Operation, OperationName, SingleOperations } from "./application.js";

/** Makes an operation from another, with work before or after the call, or in its place. */
export type Wrapper = <Name extends OperationName>(operation: Operation<Name>, name: Name) => Operation<Name>;

/** Wraps each unary operation. The caller wraps the sessions itself. */
export const wrapOperations = (inner: SingleOperations, wrap: Wrapper): SingleOperations => ({
  range: wrap(inner.range, "range"),
  put: wrap(inner.put, "put"),
  deleteRange: wrap(inner.deleteRange, "deleteRange"),
  txn: wrap(inner.txn, "txn"),
  compact: wrap(inner.compact, "compact"),
  leaseGrant: wrap(inner.leaseGrant, "leaseGrant"),
  leaseRevoke: wrap(inner.leaseRevoke, "leaseRevoke"),
  leaseTimeToLive: wrap(inner.leaseTimeToLive, "leaseTimeToLive"),
  leaseLeases: wrap(inner.leaseLeases, "leaseLeases"),
  memberList: wrap(inner.memberList, "memberList"),
  status: wrap(inner.status, "status"),
  hashKv: wrap(inner.hashKv, "hashKv"),
  hash: wrap(inner.hash, "hash"),
  defragment: wrap(inner.defragment, "defragment"),
  downgrade: wrap(inner.downgrade, "downgrade"),
  alarm: wrap(inner.alarm, "alarm"),
  moveLeader: wrap(inner.moveLeader, "moveLeader"),
  authEnable: wrap(inner.authEnable, "authEnable"),
  authDisable: wrap(inner.authDisable, "authDisable"),
  authStatus: wrap(inner.authStatus, "authStatus"),
  authenticate: wrap(inner.authenticate, "authenticate"),
  userAdd: wrap(inner.userAdd, "userAdd"),
  userGet: wrap(inner.userGet, "userGet"),
  userList: wrap(inner.userList, "userList"),
  userDelete: wrap(inner.userDelete, "userDelete"),
  userChangePassword: wrap(inner.userChangePassword, "userChangePassword"),
  userGrantRole: wrap(inner.userGrantRole, "userGrantRole"),
  userRevokeRole: wrap(inner.userRevokeRole, "userRevokeRole"),
  roleAdd: wrap(inner.roleAdd, "roleAdd"),
  roleGet: wrap(inner.roleGet, "roleGet"),
  roleList: wrap(inner.roleList, "roleList"),
  roleDelete: wrap(inner.roleDelete, "roleDelete"),
  roleGrantPermission: wrap(inner.roleGrantPermission, "roleGrantPermission"),
  roleRevokePermission: wrap(inner.roleRevokePermission, "roleRevokePermission"),
});
