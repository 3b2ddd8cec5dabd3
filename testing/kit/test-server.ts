import type { Client } from "../../client/index.js";
import type { TestServerOptions } from "./options.js";
import type { TestClock } from "./server-time.js";
import { type TestClientOptions, TestCluster } from "./test-cluster.js";
import type { TestMember } from "./test-member.js";

/** A server in this process: a cluster of one member. */
export class TestServer implements AsyncDisposable {
  /** The one member, with the faults of its process and its disk. */
  readonly member: TestMember;
  readonly clock: TestClock;

  private constructor(private readonly cluster: TestCluster) {
    const [member] = cluster.members;
    if (member === undefined) throw new Error("A test server without a member");
    this.member = member;
    this.clock = cluster.clock;
  }

  /** Starts a server. Used by `startTestServer`. */
  static async start(options: TestServerOptions): Promise<TestServer> {
    return new TestServer(await TestCluster.start({ ...options, members: 1 }));
  }

  /** `127.0.0.1:port`, for any client of etcd. */
  get endpoint(): string {
    return this.member.endpoint;
  }

  /** Returns a client in this process, without a socket and on the same clock. It is closed with the server. */
  client(options: TestClientOptions = {}): Client {
    return this.cluster.client(options);
  }

  /** Returns the last log lines. */
  log(): readonly string[] {
    return this.cluster.log();
  }

  /** Ends the server and its clients, closes the port and removes the files. May be called twice. */
  close(): Promise<void> {
    return this.cluster.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
