import { type Duration, toMs } from "./duration.js";
import type { Machine, MemberState } from "./machine.js";
import { endpointOf } from "./machines.js";
import type { Restarts } from "./restarts.js";
import type { RpcFaults } from "./rpc-faults.js";
import type { ServerTime } from "./server-time.js";

/** A member of a test cluster, and the faults of its process and its disk. */
export class TestMember {
  /** Used by test clusters only. */
  constructor(
    private readonly machine: Machine,
    private readonly time: ServerTime,
    private readonly restarts: Restarts,
    /** Faults of requests at this member alone. */
    readonly faults: RpcFaults,
  ) {}

  get name(): string {
    return this.machine.name;
  }

  /** `127.0.0.1:port`, with TLS `https://127.0.0.1:port`, or without a port a name that only `client()` of the cluster understands. */
  get endpoint(): string {
    return endpointOf(this.machine);
  }

  get state(): MemberState {
    return this.machine.state;
  }

  /** Error with which the member stopped by itself; undefined: it did not. */
  get failure(): Error | undefined {
    return this.machine.failure;
  }

  /** Whether it leads, as far as it knows. */
  get isLeader(): boolean {
    return this.machine.running?.replica.node.status().role === "leader";
  }

  /** Stops the process as SIGSTOP does: connections stay open, and nobody is answered. */
  freeze(): void {
    this.machine.freeze();
  }

  /** Has a frozen process go on, as SIGCONT does. */
  thaw(): void {
    this.machine.thaw();
  }

  /**
   * Ends the process at once, as `kill -9` does.
   *
   * @param options.loseUnsynced true: the power fails; writes that were not acknowledged by the disk are lost
   */
  kill({ loseUnsynced = false }: { readonly loseUnsynced?: boolean } = {}): Promise<void> {
    return this.time.until(this.machine.kill({ loseUnsynced }));
  }

  /**
   * Starts the member again after a kill, with what its disk has. Resolves when it serves clients; while so many others are down or
   * frozen that there is no majority, already when it runs: the restart that completes a majority waits for all.
   */
  restart(): Promise<void> {
    return this.time.until(this.restarts.restart(this.machine));
  }

  /** Fills the disk, or with false makes room again: meanwhile clients' writes are refused, and another member leads if there is one. */
  diskFull(isFull = true): void {
    this.machine.fillDisk(isFull);
  }

  /** Has each write to disk take so much longer; 0: none. */
  slowSync(delay: Duration): void {
    this.machine.storage.disk.syncDelayMs = toMs(delay);
  }
}
