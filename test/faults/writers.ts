// Writers that go on whatever happens to the members, and remember what each write ended in.

import { Client, EtcdError } from "../../client/index.js";

/** Longer than an election; a write that was with a member when it was killed is given up after it. */
const writeTimeoutMs = 1_000;

/** A write as its writer saw it. */
export interface Write {
  readonly key: string;
  readonly value: string;
  readonly startedAt: number;
  endedAt: number;
  /** `unknown`: it may have been carried out, or may still be. */
  outcome: "under way" | "acknowledged" | "failed" | "unknown";
  /** Of an acknowledged write. */
  revision: number;
}

export interface WritersOptions {
  readonly endpoints: readonly string[];
  readonly writers: number;
  /** Which key a writer's n-th write is to; no two writers may share one. */
  readonly keyOf: (writer: number, n: number) => string;
}

/** Each writer has one write under way at a time. No value is written twice. */
export class Writers implements AsyncDisposable {
  readonly writes: Write[] = [];
  private readonly clients: Client[] = [];
  private readonly loops: Promise<void>[];
  private readonly waiting = new Set<(write: Write) => void>();
  private stopped = false;

  constructor(private readonly options: WritersOptions) {
    this.loops = Array.from({ length: options.writers }, (_, writer) => this.run(writer));
  }

  /** The first write that begins after this call and is acknowledged. */
  nextAcknowledged(): Promise<Write> {
    const now = performance.now();
    return new Promise((resolve) => {
      const look = (write: Write): void => {
        if (write.outcome !== "acknowledged" || write.startedAt < now) return;
        this.waiting.delete(look);
        resolve(write);
      };
      this.waiting.add(look);
    });
  }

  /** Begins no more writes, and waits for those under way. */
  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.loops);
    await Promise.all(this.clients.splice(0).map((client) => client.close()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  private async run(writer: number): Promise<void> {
    const { endpoints, keyOf } = this.options;
    // Each prefers another member, so that forwarded writes are among them.
    const first = writer % endpoints.length;
    const client = new Client({ endpoints: [...endpoints.slice(first), ...endpoints.slice(0, first)] });
    this.clients.push(client);
    for (let n = 0; !this.stopped; n++) {
      const write: Write = {
        key: keyOf(writer, n),
        value: `${writer}:${n}`,
        startedAt: performance.now(),
        endedAt: 0,
        outcome: "under way",
        revision: 0,
      };
      this.writes.push(write);
      try {
        const { header } = await client.kv.put(write.key, write.value, { timeoutMs: writeTimeoutMs });
        write.revision = header.revision;
        write.outcome = "acknowledged";
      } catch (error) {
        if (!(error instanceof EtcdError)) throw error;
        write.outcome = error.outcome;
      }
      write.endedAt = performance.now();
      for (const look of [...this.waiting]) look(write);
    }
  }
}
