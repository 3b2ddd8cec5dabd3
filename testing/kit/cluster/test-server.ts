import { checkStartOptions, serverOptions, type TestServerOptions } from "./options.js";
import { Restarts } from "./restarts.js";
import { type ClusterParts, faultsOf, startParts } from "./start-parts.js";
import { TestBase } from "./test-base.js";
import { TestMember } from "./test-member.js";

/** A server in this process: a cluster of one member. */
export class TestServer extends TestBase {
  /** The only member, with the faults of its process and its disk. */
  readonly member: TestMember;

  /** Used by `startTestServer` only. */
  constructor(parts: ClusterParts) {
    super(parts);
    const [machine] = parts.machines;
    if (machine === undefined) throw new Error("The test server has no member");
    this.member = new TestMember(machine, parts.time, new Restarts(parts.machines), faultsOf(parts, machine));
  }

  /** `127.0.0.1:port`, or with TLS `https://127.0.0.1:port`, for any client of etcd. */
  get endpoint(): string {
    return this.member.endpoint;
  }

  /**
   * Starts another server with the same contents and a separate clock; later changes of one server do not affect the other.
   *
   * @throws TypeError if this one is on disk
   */
  async clone(): Promise<TestServer> {
    return new TestServer(await this.copyParts());
  }
}

/** Starts a server. Used by `startTestServer`. */
export const startServer = async (options: TestServerOptions): Promise<TestServer> => {
  checkStartOptions("start a test server", options, serverOptions);
  return new TestServer(await startParts({ ...options, members: 1 })).addFirstUsers();
};
