// The commands of minietcdctl.

export { alarmDisarmCommand, alarmListCommand, runAlarmDisarm, runAlarmList } from "./alarm.js";
export {
  authDisableCommand,
  authEnableCommand,
  authStatusCommand,
  runAuthDisable,
  runAuthEnable,
  runAuthStatus,
} from "./auth.js";
export { checkDatascaleCommand, checkPerfCommand, runCheckDatascale, runCheckPerf } from "./check.js";
export { compactionCommand, runCompaction } from "./compaction.js";
export { completionCommand, runCompletion } from "./completion.js";
export { defragCommand, runDefrag } from "./defrag.js";
export { delCommand, runDel } from "./del.js";
export {
  downgradeCancelCommand,
  downgradeEnableCommand,
  downgradeValidateCommand,
  runDowngradeCancel,
  runDowngradeEnable,
  runDowngradeValidate,
} from "./downgrade.js";
export { electCommand, runElect } from "./elect.js";
export { hashKvCommand, healthCommand, runHashKv, runHealth, runStatus, statusCommand } from "./endpoint.js";
export { getCommand, runGet } from "./get.js";
export { globalFlags } from "./globals.js";
export {
  grantCommand,
  keepAliveCommand,
  leaseListCommand,
  revokeCommand,
  runGrant,
  runKeepAlive,
  runLeaseList,
  runRevoke,
  runTimeToLive,
  timeToLiveCommand,
} from "./lease.js";
export { lockCommand, runLock } from "./lock.js";
export { makeMirrorCommand, runMakeMirror } from "./make-mirror.js";
export {
  memberAddCommand,
  memberListCommand,
  memberPromoteCommand,
  memberRemoveCommand,
  memberUpdateCommand,
  runMemberAdd,
  runMemberList,
  runMemberPromote,
  runMemberRemove,
  runMemberUpdate,
} from "./member.js";
export { moveLeaderCommand, runMoveLeader } from "./move-leader.js";
export { optionDescription, optionsCommand, optionTerm, runOptions } from "./options.js";
export { putCommand, runPut } from "./put.js";
export {
  roleAddCommand,
  roleDeleteCommand,
  roleGetCommand,
  roleGrantPermissionCommand,
  roleListCommand,
  roleRevokePermissionCommand,
  runRoleAdd,
  runRoleDelete,
  runRoleGet,
  runRoleGrantPermission,
  runRoleList,
  runRoleRevokePermission,
} from "./role.js";
export { runSnapshotSave, snapshotSaveCommand } from "./snapshot.js";
export { runTxn, txnCommand } from "./txn.js";
export {
  runUserAdd,
  runUserDelete,
  runUserGet,
  runUserGrantRole,
  runUserList,
  runUserPasswd,
  runUserRevokeRole,
  userAddCommand,
  userDeleteCommand,
  userGetCommand,
  userGrantRoleCommand,
  userListCommand,
  userPasswdCommand,
  userRevokeRoleCommand,
} from "./user.js";
export { runVersion, versionCommand } from "./version.js";
export { watchCommand } from "./watch-request.js";
export { runWatch } from "./watch.js";
