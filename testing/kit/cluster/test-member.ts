import { type Duration, toMs } from "../base/index.js";
import { endpointOf, type Machine, type MemberState } from "../machine/index.js";
import type { Restarts } from "./restarts.js";
import type { RpcFaults } from "../faults/index.js";
import type { ServerTime } from "../clock/index.js";

/** A member of a test cluster, and the faults of its process and its disk. */
export class TestMember {
  /** Used by test clusters only. */
  constructor(
    private readonly machine: Machine,
    private readonly time: ServerTime,
    private readonly restarts: Restarts,
    /** Faults of requests at this member only. */
    readonly faults: RpcFaults,
  ) {}

  /** The name of the member, such as `m1`. */
  get name(): string {
    return this.machine.name;
  }

  /** `127.0.0.1:port`, with TLS `https://127.0.0.1:port`, or, without a port, a name for `client()` of the cluster only. */
  get endpoint(): string {
    return endpointOf(this.machine);
  }

  /** The state of the member, such as `running`. */
  get state(): MemberState {
    return this.machine.state;
  }

  /** The error with which the member stopped by itself; undefined: it has not. */
  get failure(): Error | undefined {
    return this.machine.failure;
  }

  /** Whether the member considers itself the leader. */
  get isLeader(): boolean {
    return this.machine.running?.replica.node.status().role === "leader";
  }

  /** Stops the process as SIGSTOP does: connections stay open, and no request is answered. */
  freeze(): void {
    this.machine.freeze();
  }

  /** Continues a frozen process, as SIGCONT does. */
  thaw(): void {
    this.machine.thaw();
  }

  /** Ends the process at once, as `kill -9` does. */
  kill({
    loseUnsynced = false,
  }: {
    /** Loses writes that the disk has not acknowledged, as a power cut does. */
    readonly loseUnsynced?: boolean;
  } = {}): Promise<void> {
    return this.time.until(this.machine.kill({ loseUnsynced }));
  }

  /**
   * Starts the member again after a kill, with the contents of its disk. Resolves when it serves clients; if too many members are
   * down or frozen for a majority, already when it runs. The restart that completes a majority waits for all these members.
   */
  restart(): Promise<void> {
    return this.time.until(this.restarts.restart(this.machine));
  }

  /**
   * Fills the disk, or, with false, frees space again. While the disk is full, clients' writes are refused, and the leadership
   * moves to another member if there is one.
   */
  diskFull(isFull = true): void {
    this.machine.fillDisk(isFull);
  }

  /** Delays each write to disk by this time; 0: no delay. */
  slowSync(delay: Duration): void {
    this.machine.storage.disk.syncDelayMs = toMs(delay);
  }
}
