// Test servers and test clusters: their start, members, users, contents and recordings.

export type { HistoryEntry, SeedEntries, TextChange, TextEntries } from "./contents.js";
export type { TestClientOptions, TestClusterOptions, TestServerOptions } from "./options.js";
export { printLogOnFailure } from "./print-log.js";
export type { RecordedClientOptions, Recording } from "./recording.js";
export { endParts, startParts } from "./start-parts.js";
export type { TestBase } from "./test-base.js";
export { startCluster, TestCluster } from "./test-cluster.js";
export type { TestMember } from "./test-member.js";
export { startServer, type TestServer } from "./test-server.js";
export type { TestAuth, TestUser } from "./users.js";
