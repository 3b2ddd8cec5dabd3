/**
 * Servers and clusters in the process of a test, with virtual time and faults.
 *
 * @module minietcd/testing
 */

import type { TestClusterOptions, TestServerOptions } from "./options.js";
import { startCluster, type TestCluster } from "./test-cluster.js";
import { startServer, type TestServer } from "./test-server.js";

/**
 * Starts a server for a test, in this process and in memory.
 *
 *     await using server = await startTestServer();
 *     const client = server.client(); // the client of `minietcd`, without a socket
 *     await client.kv.put("greeting", "hello");
 *     // any other client of etcd: server.endpoint
 */
export const startTestServer = (options: TestServerOptions = {}): Promise<TestServer> => startServer(options);

/**
 * Starts a cluster for a test, in this process and in memory.
 *
 *     await using cluster = await startTestCluster({ members: 3 });
 *     await cluster.client().kv.put("greeting", "hello");
 */
export const startTestCluster = (options: TestClusterOptions = {}): Promise<TestCluster> => startCluster(options);

export type { HistoryEntry, SeedEntries, TextChange, TextEntries } from "./contents.js";
export type { Duration } from "./duration.js";
export type { FaultBuilder, InjectedFault, RejectOptions, RpcName, WatchFaultBuilder } from "./fault-rules.js";
export type { LinkFilter } from "./links.js";
export { checkLinearizable, type LinearizabilityOptions } from "./linearizability.js";
export type { MemberState } from "./machine.js";
export type { History, Operation, OperationOutcome } from "./operation.js";
export { operationText } from "./operation-text.js";
export type { TestClientOptions, TestClusterOptions, TestServerOptions } from "./options.js";
export { printLogOnFailure } from "./print-log.js";
export type { RecordedClientOptions, Recording } from "./recording.js";
export type { RpcFaults } from "./rpc-faults.js";
export {
  simulate,
  SimulationError,
  type SimulationClock,
  type SimulationOptions,
  type SimulationResult,
  type SimulationWorld,
} from "./simulate.js";
export type { FaultKind } from "./simulated-faults.js";
export type { StatusName } from "./status-names.js";
export type { TestClock } from "./server-time.js";
export type { TestBase } from "./test-base.js";
export type { TestCluster } from "./test-cluster.js";
export type { TestMember } from "./test-member.js";
export type { TestServer } from "./test-server.js";
export type { TestAuth, TestUser } from "./users.js";
export type { Linearizability } from "./verdict.js";
export type { SeededRandom } from "../index.js";
