// Writers that stay with their member whatever becomes of it, and remember what each write ended in.

import { setTimeout as delay } from "node:timers/promises";
import { Client, EtcdError } from "../client/index.js";

export const perMember = 4;
/** Pause between an answer and the next write of the same writer. */
export const thinkMs = 10;
/** A write that begins after a fault, until one is acknowledged: another each so often. */
const probeMs = 10;
/** Longer than etcd's own limit of 7 s, so the server's answer is seen. */
const writeTimeoutMs = 12_000;
/** A member that is not there is asked again after this long. */
const dialMs = 250;
const pollMs = 5;

const prefix = "failover/";

export interface FailedWrite {
  readonly code: string;
  readonly text: string;
}

/** A put as its writer saw it. Each writes a value of its own. */
export interface Write {
  /** Position of the member that it was sent to. */
  readonly member: number;
  readonly value: string;
  readonly isProbe: boolean;
  readonly startedAt: number;
  /** Infinity: it is under way. */
  endedAt: number;
  failure: FailedWrite | undefined;
}

export class FailoverWriters implements AsyncDisposable {
  private readonly clients: readonly Client[];
  private readonly loops: readonly Promise<void>[];
  private readonly paused = new Set<number>();
  private writes: Write[] = [];
  private readonly acknowledged = new Set<string>();
  private count = 0;
  private stopped = false;

  constructor(endpoints: readonly string[]) {
    this.clients = endpoints.map((endpoint) => new Client({ endpoints: [endpoint], dialTimeoutMs: dialMs }));
    this.loops = endpoints.flatMap((_endpoint, member) =>
      Array.from({ length: perMember }, (_, writer) => this.run(member, `${prefix}${member}/${writer}`)),
    );
  }

  /** The writers of this member begin nothing new. */
  pause(member: number): void {
    this.paused.add(member);
  }

  /** Lets the writers go on, once their member has answered something. */
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

  /** Lets them write for a while. */
  async writeFor(ms: number): Promise<void> {
    if (ms > 0) await delay(ms);
  }

  /**
   * Begins writes at the other members, one after the other, until one is acknowledged.
   *
   * @returns milliseconds from `from` until then
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

  /** Waits until every write that began before `until`, at whatever member but `except`, has ended. */
  async whenSettled(until: number, except: number | undefined): Promise<void> {
    const isUnderWay = ({ member, startedAt, endedAt }: Write): boolean =>
      member !== except && startedAt <= until && endedAt === Infinity;
    while (this.writes.some(isUnderWay)) await delay(pollMs);
  }

  /** All that were begun since this was asked last; those still under way will be among the next. */
  takeWrites(): Write[] {
    const ended = this.writes.filter(({ endedAt }) => endedAt < Infinity);
    this.writes = this.writes.filter(({ endedAt }) => endedAt === Infinity);
    return ended;
  }

  /** Begins no more, and waits for those under way. */
  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.loops);
    await this.whenSettled(Infinity, undefined);
  }

  /** Holds what was acknowledged against what the cluster says has happened. */
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
    this.stopped = true;
    await Promise.all(this.clients.map((client) => client.close()));
    await Promise.all(this.loops);
  }

  private async run(member: number, key: string): Promise<void> {
    while (!this.stopped) {
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
      // Ports and how long was waited differ from one to the other.
      write.failure = { code: error.code, text: error.message.replace(/[^ ]*:\d+.*/s, "…") };
    }
    write.endedAt = performance.now();
    return write;
  }
}
