// Writers that continue whatever happens to the members, and record the outcome of each write.

import { setTimeout as delay } from "node:timers/promises";
import { type Client, EtcdError } from "../../client/index.js";
import { Deadline } from "../support/deadline.js";
import { scaleMs } from "../support/machine-speed.js";
import { patientClient } from "../support/patient-client.js";

/** Timeout above the 7 s after which a server fails a write itself, so that the recorded outcome is the server's answer or its death. */
const writeTimeoutMs = 10_000;

/** A write with its outcome at the writer. */
export interface Write {
  readonly key: string;
  readonly value: string;
  readonly startedAt: number;
  endedAt: number;
  /** `unknown`: it may have been applied, or may still be. */
  outcome: "under way" | "acknowledged" | "failed" | "unknown";
  /** Revision of an acknowledged write. */
  revision: number;
  /** Endpoint that received a write without acknowledging it; undefined: none. */
  failedAt: string | undefined;
}

export interface WritersOptions {
  readonly endpoints: readonly string[];
  readonly writers: number;
  /** Returns the key of a writer's n-th write; no two writers may share a key. */
  readonly keyOf: (writer: number, n: number) => string;
}

/** Interval of the probes until one succeeds. */
const probeMs = 25;

/** Writers with one write in flight each. No value is written twice. */
export class Writers implements AsyncDisposable {
  readonly writes: Write[] = [];
  private readonly clients: Client[] = [];
  private readonly loops: Promise<void>[];
  private readonly prober: Client;
  private probes = 0;
  private isStopped = false;

  constructor(private readonly options: WritersOptions) {
    this.loops = Array.from({ length: options.writers }, (_, writer) => this.run(writer));
    this.prober = this.connect(0);
  }

  /**
   * Begins probe writes until one is acknowledged; the writers' own writes may all wait for a member that is down.
   * @returns milliseconds until then
   * @param timeoutMs on a quiet machine
   * @throws Error if it takes longer
   */
  async timeFirstNewWrite(timeoutMs: number): Promise<number> {
    const from = performance.now();
    const deadline = new Deadline(timeoutMs);
    let elapsed: number | undefined;
    const underWay: Promise<void>[] = [];
    while (elapsed === undefined) {
      if (deadline.isOver) throw new Error(deadline.timeoutText("a new write is acknowledged"));
      const probe = `probe/${this.probes++}`;
      underWay.push(
        this.write(this.prober, probe, probe).then((write) => {
          if (write.outcome === "acknowledged") elapsed ??= write.endedAt - from;
        }),
      );
      await Promise.race([delay(probeMs), ...underWay.slice(-1)]);
    }
    await Promise.all(underWay);
    return elapsed;
  }

  /** Begins no further writes, and waits for those in flight. */
  async stop(): Promise<void> {
    this.isStopped = true;
    await Promise.all(this.loops);
    await Promise.all(this.clients.splice(0).map((client) => client.close()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  private async run(writer: number): Promise<void> {
    const client = this.connect(writer);
    for (let n = 0; !this.isStopped; n++) await this.write(client, this.options.keyOf(writer, n), `${writer}:${n}`);
  }

  /** Connects a writer; each prefers another member, so that some writes are forwarded. */
  private connect(writer: number): Client {
    const { endpoints } = this.options;
    const first = writer % endpoints.length;
    const client = patientClient({ endpoints: [...endpoints.slice(first), ...endpoints.slice(0, first)] });
    this.clients.push(client);
    return client;
  }

  private async write(client: Client, key: string, value: string): Promise<Write> {
    const startedAt = performance.now();
    const write: Write = { key, value, startedAt, endedAt: 0, outcome: "under way", revision: 0, failedAt: undefined };
    this.writes.push(write);
    try {
      const { header } = await client.kv.put(key, value, { timeoutMs: scaleMs(writeTimeoutMs) });
      write.revision = header.revision;
      write.outcome = "acknowledged";
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      write.outcome = error.outcome;
      write.failedAt = error.endpoint;
    }
    write.endedAt = performance.now();
    return write;
  }
}
