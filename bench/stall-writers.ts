// Runs one writer per member, in a process of its own, and measures the latencies of puts during large requests.

import { Client } from "../client/index.js";
import { percentile } from "./report.js";
import { wallMs, type Span } from "./thread-waits.js";

/** A command of the benchmark. */
export type WriterCommand =
  /** Begins a measurement. */
  | { readonly kind: "begin" }
  /** Asks for the result, after the puts under way have ended. */
  | { readonly kind: "report" };

/** The results of a measurement. */
export interface WriterReport {
  readonly kind: "report";
  readonly puts: number;
  /** The quantiles of the latencies, in milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** The longest wait of all writers. */
  readonly longest: Span;
}

/** A message to the benchmark. */
export type WriterMessage = { readonly kind: "ready" } | WriterReport;

/** The pause between an answer and the writer's next put. */
const restMs = 1;

class Writer {
  waits: Span[] = [];
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
    const from = wallMs();
    await this.client.kv.put(this.key, "v");
    this.waits.push({ from, to: wallMs() });
  }
}

const lengthOf = ({ from, to }: Span): number => to - from;

const reportOf = (writers: readonly Writer[]): WriterReport => {
  const spans = writers.flatMap(({ waits }) => waits).sort((a, b) => lengthOf(a) - lengthOf(b));
  const all = spans.map(lengthOf);
  return {
    kind: "report",
    puts: all.length,
    p50: percentile(all, 0.5),
    p99: percentile(all, 0.99),
    longest: spans.at(-1) ?? { from: 0, to: 0 },
  };
};

const tell = (message: WriterMessage): void => void process.send?.(message);

/** Runs only in the process that the benchmark forks. */
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
