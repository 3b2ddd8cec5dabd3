// Cells without a range of keys: every call of the services Auth, Cluster, Maintenance and Lease, and compactions.
// Even with the rights, none of them changes anything: each requests a state that exists already, or fails for another reason. An alarm
// with an unknown action is left out, because etcd 3.7 crashes when root sends it.
import type { Call } from "./calls.js";
import { bytes } from "./operations.js";

/** Returns the role that only this user has; see matrix-setup.ts. */
export const ownRole = (user: string): string => `${user} 0`;

const call = (method: string, fields: object = {}): Call => ({ method, fields });

const permission = { permType: 0, key: bytes("f"), rangeEnd: bytes("m") };

/** An existing user, and an existing role. */
const someone = { name: "nothing", role: "read range 0" };

const authCalls = (user: string): Record<string, Call> => ({
  enable: call("Auth/AuthEnable"),
  status: call("Auth/AuthStatus"),
  "log in": call("Auth/Authenticate", { name: someone.name, password: "wrong" }),
  "log in as nobody": call("Auth/Authenticate", { password: "" }),
  "add a user again": call("Auth/UserAdd", { name: someone.name, password: "p" }),
  "add a user without a name": call("Auth/UserAdd", { password: "p" }),
  "add a user with a long password": call("Auth/UserAdd", { name: someone.name, password: "p".repeat(73) }),
  "get a user": call("Auth/UserGet", { name: someone.name }),
  "get oneself": call("Auth/UserGet", { name: user }),
  "get a user that is not there": call("Auth/UserGet", { name: "missing" }),
  "list users": call("Auth/UserList"),
  "delete a user that is not there": call("Auth/UserDelete", { name: "missing" }),
  "delete root": call("Auth/UserDelete", { name: "root" }),
  "change the password of a missing user": call("Auth/UserChangePassword", { name: "missing", password: "p" }),
  "change one's password to a long one": call("Auth/UserChangePassword", { name: user, password: "p".repeat(73) }),
  "grant a missing role": call("Auth/UserGrantRole", { user: someone.name, role: "missing" }),
  "grant a role to a missing user": call("Auth/UserGrantRole", { user: "missing", role: someone.role }),
  "revoke a role that was not granted": call("Auth/UserRevokeRole", { name: someone.name, role: someone.role }),
  "revoke root from root": call("Auth/UserRevokeRole", { name: "root", role: "root" }),
  "revoke a role from a missing user": call("Auth/UserRevokeRole", { name: "missing", role: someone.role }),
  "add a role again": call("Auth/RoleAdd", { name: someone.role }),
  "add a role without a name": call("Auth/RoleAdd"),
  "get a role": call("Auth/RoleGet", { role: someone.role }),
  "get one's role": call("Auth/RoleGet", { role: ownRole(user) }),
  "get the role root": call("Auth/RoleGet", { role: "root" }),
  "get a role that is not there": call("Auth/RoleGet", { role: "missing" }),
  "list roles": call("Auth/RoleList"),
  "delete a role that is not there": call("Auth/RoleDelete", { role: "missing" }),
  "delete the role root": call("Auth/RoleDelete", { role: "root" }),
  "grant a permission to a missing role": call("Auth/RoleGrantPermission", { name: "missing", perm: permission }),
  "grant no permission": call("Auth/RoleGrantPermission", { name: someone.role }),
  "grant a permission backwards": call("Auth/RoleGrantPermission", {
    name: someone.role,
    perm: { permType: 0, key: bytes("m"), rangeEnd: bytes("f") },
  }),
  "grant a permission without a key": call("Auth/RoleGrantPermission", {
    name: someone.role,
    perm: { permType: 0, rangeEnd: bytes("f") },
  }),
  "revoke a permission that was not granted": call("Auth/RoleRevokePermission", {
    role: someone.role,
    key: bytes("a"),
  }),
  "revoke a permission of a missing role": call("Auth/RoleRevokePermission", { role: "missing", key: bytes("a") }),
});

const clusterCalls: Readonly<Record<string, Call>> = {
  "add a member without urls": call("Cluster/MemberAdd"),
  "add a member at a bad url": call("Cluster/MemberAdd", { peerURLs: ["nonsense"] }),
  "remove a member that is not there": call("Cluster/MemberRemove", { ID: 5n }),
  "update a member that is not there": call("Cluster/MemberUpdate", { ID: 5n, peerURLs: ["http://127.0.0.1:9"] }),
  "promote a member that is not there": call("Cluster/MemberPromote", { ID: 5n }),
  "list members": call("Cluster/MemberList"),
  "list members, linearizable": call("Cluster/MemberList", { linearizable: true }),
};

const maintenanceCalls: Readonly<Record<string, Call>> = {
  "get alarms": call("Maintenance/Alarm"),
  "activate an alarm": call("Maintenance/Alarm", { action: 1, memberID: 1n, alarm: 0 }),
  "deactivate an alarm": call("Maintenance/Alarm", { action: 2, memberID: 1n, alarm: 1 }),
  "status of the member": call("Maintenance/Status"),
  defragment: call("Maintenance/Defragment"),
  hash: call("Maintenance/Hash"),
  "hash of keys": call("Maintenance/HashKV"),
  "hash of keys, future revision": call("Maintenance/HashKV", { revision: 1_000_000_000n }),
  snapshot: call("Maintenance/Snapshot"),
  "move the leader": call("Maintenance/MoveLeader", { targetID: 5n }),
  "downgrade, bad version": call("Maintenance/Downgrade", { action: 0, version: "x" }),
  "cancel a downgrade": call("Maintenance/Downgrade", { action: 2 }),
};

const otherCalls: Readonly<Record<string, Call>> = {
  "compact what is compacted": call("KV/Compact", { revision: 1n }),
  "compact the future": call("KV/Compact", { revision: 1_000_000_000n }),
  "txn of nothing": call("KV/Txn"),
  "txn with an unset operation": call("KV/Txn", { success: [{}] }),
  "grant a lease": call("Lease/LeaseGrant", { ID: 1n, TTL: 100_000n }),
  "grant a lease for too long": call("Lease/LeaseGrant", { TTL: 9_000_000_001n }),
  "resign from nothing": call("Election/Resign"),
  "proclaim nothing": call("Election/Proclaim"),
  "unlock nothing": call("Lock/Unlock"),
};

/** Returns the calls of one user, by the name of their operation. */
export const serviceCalls = (user: string): Readonly<Record<string, Call>> => ({
  ...authCalls(user),
  ...clusterCalls,
  ...maintenanceCalls,
  ...otherCalls,
});

/** Operations whose answers describe the server itself: only code and text are compared. */
export const ownAnswers: ReadonlySet<string> = new Set([
  "status of the member",
  "hash",
  "hash of keys",
  "snapshot",
  "list members",
  "list members, linearizable",
  "status",
  "leases",
  "activate an alarm",
]);
