// The rooms of the product: folders with one subject and one door, `index.js`, and the rooms whose doors each may import.
// docs/architecture.md shows the same table; structure.test.ts compares both with the imports there are.

/** Imports by room, in an order in which every room comes after those that it imports. */
export const rooms = {
  platform: [],
  proto: [],
  "raft/core": [],
  "raft/codec": ["raft/core"],
  "raft/wal": ["platform", "raft/core", "raft/codec"],
  raft: ["platform", "raft/core", "raft/codec", "raft/wal"],
  "store/base": [],
  "store/disk": ["platform", "store/base"],
  "store/mvcc": ["proto", "store/base", "store/disk"],
  "store/persist": ["store/base", "store/disk", "store/mvcc"],
  "store/watch": ["proto", "store/base", "store/disk", "store/mvcc"],
  store: ["proto", "store/base", "store/disk", "store/mvcc", "store/persist", "store/watch"],
  "server/base": ["platform", "proto", "raft", "store"],
  "server/config": ["proto", "raft", "server/base"],
  "server/data-dir": ["platform", "raft", "server/base"],
  "server/resources": ["platform", "raft", "store", "server/base"],
  "server/rpc": ["proto", "store", "server/base"],
  "server/net/http2": ["platform", "server/base", "server/rpc"],
  "server/net": ["platform", "proto", "server/base", "server/resources", "server/rpc", "server/net/http2"],
  "server/replication": ["platform", "proto", "raft", "store", "server/base", "server/config"],
  "server/replication/apply/commands": ["proto", "raft", "store", "server/replication"],
  "server/replication/apply": [
    "platform",
    "proto",
    "raft",
    "store",
    "server/base",
    "server/replication",
    "server/replication/apply/commands",
  ],
  "server/lease": ["platform", "proto", "raft", "store", "server/base", "server/rpc", "server/replication"],
  "server/peers": ["platform", "proto", "raft", "server/base", "server/data-dir"],
  "server/snapshots": [
    "platform",
    "raft",
    "store",
    "server/base",
    "server/config",
    "server/data-dir",
    "server/replication/apply",
    "server/peers",
  ],
  "server/app": [
    "platform",
    "proto",
    "raft",
    "store",
    "server/base",
    "server/replication",
    "server/replication/apply",
    "server/lease",
  ],
  "server/services": ["proto", "store", "server/base", "server/rpc", "server/app"],
  "server/verify": [
    "platform",
    "raft",
    "store",
    "server/base",
    "server/data-dir",
    "server/replication/apply",
    "server/peers",
  ],
  "server/member": [
    "platform",
    "proto",
    "raft",
    "store",
    "server/base",
    "server/config",
    "server/data-dir",
    "server/resources",
    "server/rpc",
    "server/net",
    "server/replication",
    "server/replication/apply",
    "server/lease",
    "server/peers",
    "server/snapshots",
    "server/app",
    "server/services",
  ],
  server: ["platform", "server/base", "server/config", "server/data-dir", "server/verify", "server/member"],
  "client/transport": ["platform", "proto"],
  "client/kv": ["proto", "client/transport"],
  "client/watch": ["proto", "client/transport", "client/kv"],
  "client/lease": ["proto", "client/transport"],
  "client/concurrency": ["client/transport", "client/kv", "client/watch", "client/lease"],
  client: ["proto", "client/transport", "client/kv", "client/watch", "client/lease", "client/concurrency"],
  "cli/version": [],
  "cli/ctl/args": ["proto", "client"],
  "cli/ctl/output": ["proto", "client", "cli/ctl/args"],
  "cli/ctl/commands": ["client", "cli/version", "cli/ctl/args", "cli/ctl/output"],
  "cli/ctl": ["cli/ctl/args", "cli/ctl/commands"],
  "cli/server": ["server"],
  cli: ["server", "cli/version", "cli/ctl/args", "cli/ctl", "cli/server"],
  testing: [
    "platform",
    "proto",
    "raft",
    "store",
    "server/base",
    "server/config",
    "server/rpc",
    "server/peers",
    "server/member",
  ],
};

/**
 * Returns the room of a source file.
 *
 * @param {string} file a path from the repository's root, with slashes
 * @returns {string | undefined} undefined: it is in none
 */
export const roomOf = (file) => {
  if (file.startsWith("proto/")) return "proto";
  const folder = file.slice(0, Math.max(0, file.lastIndexOf("/")));
  return folder in rooms ? folder : undefined;
};
