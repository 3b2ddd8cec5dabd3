/**
 * Servers and clusters in the process of a test, with virtual time and faults.
 *
 * @module minietcd/testing
 */

import {
  startCluster,
  startServer,
  type TestCluster,
  type TestClusterOptions,
  type TestServer,
  type TestServerOptions,
} from "./cluster/index.js";

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

export type { Duration, StatusName } from "./base/index.js";
export type { TestClock } from "./clock/index.js";
export type {
  FaultBuilder,
  InjectedFault,
  LinkFilter,
  RejectOptions,
  RpcFaults,
  RpcName,
  WatchFaultBuilder,
} from "./faults/index.js";
export type { MemberState } from "./machine/index.js";
export {
  checkLinearizable,
  operationText,
  type History,
  type Linearizability,
  type LinearizabilityOptions,
  type Operation,
  type OperationOutcome,
} from "./linearizability/index.js";
export {
  printLogOnFailure,
  type HistoryEntry,
  type RecordedClientOptions,
  type Recording,
  type SeedEntries,
  type TestAuth,
  type TestBase,
  type TestClientOptions,
  type TestCluster,
  type TestClusterOptions,
  type TestMember,
  type TestServer,
  type TestServerOptions,
  type TestUser,
  type TextChange,
  type TextEntries,
} from "./cluster/index.js";
export {
  simulate,
  SimulationError,
  type FaultKind,
  type SimulationClock,
  type SimulationOptions,
  type SimulationResult,
  type SimulationWorld,
} from "./simulation/index.js";
export type { SeededRandom } from "../index.js";
