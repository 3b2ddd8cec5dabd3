// `minietcd/testing`: servers and clusters in the process of a test, with virtual time and faults.

import type { TestClusterOptions, TestServerOptions } from "./options.js";
import { TestCluster } from "./test-cluster.js";
import { TestServer } from "./test-server.js";

/**
 * Starts a server for a test, in this process and in memory.
 *
 *     await using server = await startTestServer();
 *     const client = server.client(); // the client of `minietcd`, without a socket
 *     await client.kv.put("greeting", "hello");
 *     // any other client of etcd: server.endpoint
 */
export const startTestServer = (options: TestServerOptions = {}): Promise<TestServer> => TestServer.start(options);

/**
 * Starts a cluster for a test, in this process and in memory.
 *
 *     await using cluster = await startTestCluster({ members: 3 });
 *     await cluster.client().kv.put("greeting", "hello");
 */
export const startTestCluster = (options: TestClusterOptions = {}): Promise<TestCluster> => TestCluster.start(options);

export type { Duration } from "./duration.js";
export type { MemberState } from "./machine.js";
export type { TestClusterOptions, TestServerOptions } from "./options.js";
export type { TestClock } from "./server-time.js";
export type { TestClientOptions, TestCluster } from "./test-cluster.js";
export type { TestMember } from "./test-member.js";
export type { TestServer } from "./test-server.js";
