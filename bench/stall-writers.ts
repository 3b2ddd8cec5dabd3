// Runs one writer per member, in a process of its own, and measures the waits of its puts while the cluster has large work to do.

import { Client } from "../client/index.js";
import { percentile } from "./report.js";

export type WriterCommand =
  /** Forgets the puts before. */
  | { readonly kind: "begin" }
  /** Asks for the result, once the puts that are under way have ended. */
  | { readonly kind: "report" };

export interface WriterReport {
  readonly kind: "report";
  readonly puts: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** The longest wait of each writer, in the order of the endpoints. */
  readonly longest: readonly number[];
}

export type WriterMessage = { readonly kind: "ready" } | WriterReport;

/** Pause between an answer and the writer's next put. */
const restMs = 1;

class Writer {
  waits: number[] = [];
  private current: Promise<void> = Promise.resolve();

  constructor(
    private readonly client: Client,
    private readonly key: string,
  ) {}

  async run(): Promise<never> {
    for (;;) {
      this.current = this.put();
      await this.current;
      await new Promise((resolve) => setTimeout(resolve, restMs));
    }
  }

  whenPutEnded(): Promise<void> {
    return this.current;
  }

  private async put(): Promise<void> {
    const beganAt = performance.now();
    await this.client.kv.put(this.key, "v");
    this.waits.push(performance.now() - beganAt);
  }
}

const longestOf = (waits: readonly number[]): number => waits.reduce((most, wait) => Math.max(most, wait), 0);

const reportOf = (writers: readonly Writer[]): WriterReport => {
  const all = writers.flatMap(({ waits }) => waits).sort((a, b) => a - b);
  return {
    kind: "report",
    puts: all.length,
    p50: percentile(all, 0.5),
    p99: percentile(all, 0.99),
    longest: writers.map(({ waits }) => longestOf(waits)),
  };
};

const tell = (message: WriterMessage): void => void process.send?.(message);

/** Only as the process that the bench forks. */
if (process.send !== undefined && process.argv[1]?.endsWith("stall-writers.ts")) {
  process.once("disconnect", () => process.exit());
  const writers = process.argv
    .slice(2)
    .map((endpoint, n) => new Writer(new Client({ endpoints: [endpoint] }), `writer/${n}`));
  process.on("message", (command: WriterCommand) => {
    if (command.kind === "begin") for (const writer of writers) writer.waits = [];
    else void Promise.all(writers.map((writer) => writer.whenPutEnded())).then(() => tell(reportOf(writers)));
  });
  for (const writer of writers) void writer.run();
  await Promise.all(writers.map((writer) => writer.whenPutEnded()));
  tell({ kind: "ready" });
}
