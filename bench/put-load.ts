// Sends puts at a given rate, in a process of its own.

import { Client, EtcdError } from "../client/index.js";
import { markValue } from "./marked-value.js";

/** A command of the benchmark. */
export type PutCommand =
  | { readonly kind: "rate"; readonly perSecond: number }
  /** Sets a revision beyond which no put is sent. */
  | { readonly kind: "limit"; readonly revision: number }
  /** Stops the puts, and asks for the result. */
  | { readonly kind: "finish" };

/** The result of all puts. */
export interface PutResult {
  readonly kind: "result";
  /** The revision of put number n, at index n; 0 if it was not acknowledged, so that its outcome is unknown. */
  readonly revisions: Uint32Array;
  readonly acknowledged: number;
  readonly unacknowledged: number;
}

/** A message to the benchmark. */
export type PutMessage =
  { readonly kind: "ready" } | { readonly kind: "progress"; readonly acknowledged: number } | PutResult;

/** The prefix that watchers watch. */
export const prefix = "bench/";
/** The number of keys that are put in turn. */
const keyCount = 1_000;

const maxInFlight = 512;
const tickMs = 5;
const progressMs = 100;
/** The longest pause of this process whose puts are sent afterwards, in seconds. */
const burstSeconds = 0.1;

class Putter {
  private readonly clients: readonly Client[];
  private readonly revisions: number[] = [0];
  private perSecond = 0;
  private limit = Infinity;
  private due = 0;
  private lastTick = performance.now();
  private lastRevision = 0;
  private inFlight = 0;
  private acknowledged = 0;
  private wake: () => void = () => undefined;

  /** Opens one client per member, each with another member as its first endpoint. */
  constructor(endpoints: readonly string[]) {
    this.clients = endpoints.map(
      (_, n) => new Client({ endpoints: [...endpoints.slice(n), ...endpoints.slice(0, n)] }),
    );
    setInterval(() => this.tick(), tickMs);
    setInterval(() => tell({ kind: "progress", acknowledged: this.acknowledged }), progressMs);
  }

  async handle(command: PutCommand): Promise<void> {
    switch (command.kind) {
      case "rate":
        this.perSecond = command.perSecond;
        return;
      case "limit":
        this.limit = command.revision;
        return;
      case "finish":
        this.perSecond = this.due = 0;
        while (this.inFlight > 0) await new Promise<void>((resolve) => (this.wake = resolve));
        tell({
          kind: "result",
          revisions: Uint32Array.from(this.revisions),
          acknowledged: this.acknowledged,
          unacknowledged: this.revisions.length - 1 - this.acknowledged,
        });
    }
  }

  private tick(): void {
    const now = performance.now();
    this.due += ((now - this.lastTick) / 1_000) * this.perSecond;
    this.due = Math.min(this.due, this.perSecond * burstSeconds);
    this.lastTick = now;
    for (; this.due >= 1 && this.mayPut(); this.due--) void this.put();
  }

  private mayPut(): boolean {
    return this.inFlight < maxInFlight && this.lastRevision + this.inFlight < this.limit;
  }

  private async put(): Promise<void> {
    const number = this.revisions.push(0) - 1;
    const client = this.clients[number % this.clients.length]!;
    this.inFlight++;
    try {
      const { header } = await client.kv.put(`${prefix}put/${number % keyCount}`, markValue(number));
      this.revisions[number] = header.revision;
      this.lastRevision = Math.max(this.lastRevision, header.revision);
      this.acknowledged++;
    } catch (error) {
      // The member was killed: the outcome of the put is unknown.
      if (!(error instanceof EtcdError)) throw error;
    }
    this.inFlight--;
    this.wake();
  }
}

const tell = (message: PutMessage): void => void process.send?.(message);

/** Runs only in the process that the benchmark forks. */
if (process.send !== undefined && process.argv[1]?.endsWith("put-load.ts")) {
  const putter = new Putter(process.argv.slice(2));
  process.on("message", (command: PutCommand) => void putter.handle(command));
  process.once("disconnect", () => process.exit());
  tell({ kind: "ready" });
}
