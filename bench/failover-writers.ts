// Writers that send all writes to one member each, also while it fails, and record the result of each write.

import { setTimeout as delay } from "node:timers/promises";
import { Client, EtcdError } from "../client/index.js";

/** Writers per member. */
export const perMember = 4;
/** The pause between an answer and the next write of the same writer. */
export const thinkMs = 10;
/** The time between two writes that probe, after a fault, until one is acknowledged. */
const probeMs = 10;
/** Longer than etcd's own limit of 7 s, so that the server's answer arrives before. */
const writeTimeoutMs = 12_000;
/** The dial timeout for a member that does not run. */
const dialMs = 250;
const pollMs = 5;

const prefix = "failover/";

/** The error of a failed write. */
export interface FailedWrite {
  readonly code: string;
  readonly text: string;
}

/** A put, from its writer's view. Each put has a value of its own. */
export interface Write {
  /** The position of the member that got the put. */
  readonly member: number;
  readonly value: string;
  readonly isProbe: boolean;
  readonly startedAt: number;
  /** Infinity while the put is under way. */
  endedAt: number;
  failure: FailedWrite | undefined;
}

/** The writers of all members. */
export class FailoverWriters implements AsyncDisposable {
  private readonly clients: readonly Client[];
  private readonly loops: readonly Promise<void>[];
  private readonly paused = new Set<number>();
  private writes: Write[] = [];
  private readonly acknowledged = new Set<string>();
  private count = 0;
  private isStopped = false;

  constructor(endpoints: readonly string[]) {
    this.clients = endpoints.map((endpoint) => new Client({ endpoints: [endpoint], dialTimeoutMs: dialMs }));
    this.loops = endpoints.flatMap((_endpoint, member) =>
      Array.from({ length: perMember }, (_, writer) => this.run(member, `${prefix}${member}/${writer}`)),
    );
  }

  /** Lets the writers of a member begin no more writes. */
  pause(member: number): void {
    this.paused.add(member);
  }

  /** Lets the writers of a member continue, once the member has answered a read. */
  async resume(member: number): Promise<void> {
    const askMember = (): Promise<unknown> => this.clients[member]?.kv.get(prefix) ?? Promise.resolve();
    for (;;) {
      try {
        await askMember();
        break;
      } catch (error) {
        if (!(error instanceof EtcdError)) throw error;
      }
    }
    this.paused.delete(member);
  }

  /** Lets all writers write for `ms` milliseconds. */
  async writeFor(ms: number): Promise<void> {
    if (ms > 0) await delay(ms);
  }

  /**
   * Begins writes at the other members, one after the other, until one is acknowledged.
   *
   * @returns the milliseconds from `from` to the acknowledgement
   */
  async measureFirstWrite(except: number, from: number): Promise<number> {
    const others = this.clients.map((_client, member) => member).filter((member) => member !== except);
    let first: number | undefined;
    for (let n = 0; first === undefined; n++) {
      const member = others[n % others.length] ?? 0;
      void this.write(member, `${prefix}probe/${n}`, true).then(({ failure, endedAt }) => {
        if (failure === undefined) first ??= endedAt - from;
      });
      await delay(probeMs);
    }
    return first;
  }

  /** Waits until all writes at members other than `except` that began before `until` have ended. */
  async whenSettled(until: number, except: number | undefined): Promise<void> {
    const isUnderWay = ({ member, startedAt, endedAt }: Write): boolean =>
      member !== except && startedAt <= until && endedAt === Infinity;
    while (this.writes.some(isUnderWay)) await delay(pollMs);
  }

  /** Returns the writes that have ended since the last call. */
  takeWrites(): Write[] {
    const ended = this.writes.filter(({ endedAt }) => endedAt < Infinity);
    this.writes = this.writes.filter(({ endedAt }) => endedAt === Infinity);
    return ended;
  }

  /** Stops the writers, and waits for the writes under way. */
  async stop(): Promise<void> {
    this.isStopped = true;
    await Promise.all(this.loops);
    await this.whenSettled(Infinity, undefined);
  }

  /** Compares the acknowledged writes with the history of the cluster. */
  async checkHistory(client: Client): Promise<{ writes: number; lost: number; twice: number }> {
    const { header } = await client.kv.get(prefix);
    const seen = new Set<string>();
    let twice = 0;
    await using watch = client.watch(prefix, { prefix: true, startRevision: 1, delivery: { progressNotify: true } });
    const decoder = new TextDecoder();
    const last = `${prefix}end`;
    await client.kv.put(last, "end");
    for await (const { kv } of watch) {
      if (decoder.decode(kv.key) === last) break;
      const value = decoder.decode(kv.value);
      if (seen.has(value)) twice++;
      seen.add(value);
    }
    const lost = [...this.acknowledged].filter((value) => !seen.has(value)).length;
    if (seen.size === 0 || header.revision < seen.size) throw new Error("the history cannot be read");
    return { writes: this.acknowledged.size, lost, twice };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isStopped = true;
    await Promise.all(this.clients.map((client) => client.close()));
    await Promise.all(this.loops);
  }

  private async run(member: number, key: string): Promise<void> {
    while (!this.isStopped) {
      if (!this.paused.has(member)) await this.write(member, key, false);
      await delay(thinkMs);
    }
  }

  private async write(member: number, key: string, isProbe: boolean): Promise<Write> {
    const value = String(this.count++);
    const write: Write = {
      member,
      value,
      isProbe,
      startedAt: performance.now(),
      endedAt: Infinity,
      failure: undefined,
    };
    this.writes.push(write);
    try {
      await this.clients[member]?.kv.put(key, value, { timeoutMs: writeTimeoutMs });
      this.acknowledged.add(value);
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      // Ports and waiting times at the end of the text differ from write to write.
      write.failure = { code: error.code, text: error.message.replace(/[^ ]*:\d+.*/s, "…") };
    }
    write.endedAt = performance.now();
    return write;
  }
}
