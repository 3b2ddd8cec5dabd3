/** etcd's paths, by service and method. Some methods have two paths, for clients of early releases. */
const paths: Readonly<Record<string, readonly [method: string, path: string][]>> = {
  "etcdserverpb.KV": [
    ["Range", "kv/range"],
    ["Put", "kv/put"],
    ["DeleteRange", "kv/deleterange"],
    ["Txn", "kv/txn"],
    ["Compact", "kv/compaction"],
  ],
  "etcdserverpb.Watch": [["Watch", "watch"]],
  "etcdserverpb.Lease": [
    ["LeaseGrant", "lease/grant"],
    ["LeaseRevoke", "lease/revoke"],
    ["LeaseRevoke", "kv/lease/revoke"],
    ["LeaseKeepAlive", "lease/keepalive"],
    ["LeaseTimeToLive", "lease/timetolive"],
    ["LeaseTimeToLive", "kv/lease/timetolive"],
    ["LeaseLeases", "lease/leases"],
    ["LeaseLeases", "kv/lease/leases"],
  ],
  "etcdserverpb.Cluster": [
    ["MemberAdd", "cluster/member/add"],
    ["MemberRemove", "cluster/member/remove"],
    ["MemberUpdate", "cluster/member/update"],
    ["MemberList", "cluster/member/list"],
    ["MemberPromote", "cluster/member/promote"],
  ],
  "etcdserverpb.Maintenance": [
    ["Alarm", "maintenance/alarm"],
    ["Status", "maintenance/status"],
    ["Defragment", "maintenance/defragment"],
    ["Hash", "maintenance/hash"],
    ["HashKV", "maintenance/hashkv"],
    ["Snapshot", "maintenance/snapshot"],
    ["MoveLeader", "maintenance/transfer-leadership"],
    ["Downgrade", "maintenance/downgrade"],
  ],
  "etcdserverpb.Auth": [
    ["AuthEnable", "auth/enable"],
    ["AuthDisable", "auth/disable"],
    ["AuthStatus", "auth/status"],
    ["Authenticate", "auth/authenticate"],
    ["UserAdd", "auth/user/add"],
    ["UserGet", "auth/user/get"],
    ["UserList", "auth/user/list"],
    ["UserDelete", "auth/user/delete"],
    ["UserChangePassword", "auth/user/changepw"],
    ["UserGrantRole", "auth/user/grant"],
    ["UserRevokeRole", "auth/user/revoke"],
    ["RoleAdd", "auth/role/add"],
    ["RoleGet", "auth/role/get"],
    ["RoleList", "auth/role/list"],
    ["RoleDelete", "auth/role/delete"],
    ["RoleGrantPermission", "auth/role/grant"],
    ["RoleRevokePermission", "auth/role/revoke"],
  ],
  "v3lockpb.Lock": [
    ["Lock", "lock/lock"],
    ["Unlock", "lock/unlock"],
  ],
  "v3electionpb.Election": [
    ["Campaign", "election/campaign"],
    ["Proclaim", "election/proclaim"],
    ["Leader", "election/leader"],
    ["Observe", "election/observe"],
    ["Resign", "election/resign"],
  ],
};

/** The gRPC paths (`/package.Service/Method`) of the gateway's paths (`/v3/…`). */
export const routes: ReadonlyMap<string, string> = new Map(
  Object.entries(paths).flatMap(([service, methods]) =>
    methods.map(([method, path]) => [`/v3/${path}`, `/${service}/${method}`] as const),
  ),
);
