// Runs one load over connections of its own.

import { WatchRequest } from "../../proto/index.js";
import { frameMessage, LoadConnection } from "./load-connection.js";
import { type LoadKind, type LoadRequest, type LoadSizes, paths, prefix, prefixEnd, requestsOf } from "./load-kinds.js";
import { countWatch } from "./watch-count.js";

/** A load and its size. */
export interface Job {
  readonly kind: LoadKind;
  readonly sizes: LoadSizes;
  /** The number of connections, spread over the members. */
  readonly connections: number;
  /** The number of requests in flight, over all connections. */
  readonly inFlight: number;
  /** The number of watchers of one prefix, over all connections; for the kind "watch". */
  readonly watchers: number;
  /** The user to log in as; absent: requests have no token. */
  readonly user?: { readonly name: string; readonly password: string };
  /** The time before the measurement. */
  readonly warmUpMs: number;
  readonly measureMs: number;
}

/** The outcome of a load. */
export interface LoadResult {
  /** The number of answered requests, or of received events. */
  readonly count: number;
  readonly errors: number;
  readonly seconds: number;
  /** The latencies at each of `shares`, in milliseconds: of the requests; for the kind "watch" of the puts. */
  readonly quantiles: readonly number[];
}

/** The quantiles of the latencies that a result contains. */
export const shares = [0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1] as const;

/** Opens connections, to the members in turn. */
export const openConnections = (
  endpoints: readonly string[],
  count: number,
  token?: string,
): Promise<LoadConnection[]> =>
  Promise.all(
    Array.from({ length: count }, (_, n) => LoadConnection.open(endpoints[n % endpoints.length] ?? "", token)),
  );

/** A load while it runs. */
export class LoadRun {
  private readonly requests: readonly LoadRequest[];
  private next = 0;
  private isCounting = false;
  private latencies: number[] = [];
  private events = 0;
  private errors = 0;
  private created = 0;
  private onCreated: () => void = () => undefined;

  constructor(
    private readonly job: Job,
    private readonly connections: readonly LoadConnection[],
    lease: bigint,
  ) {
    this.requests = requestsOf(job.kind, job.sizes, lease);
  }

  /** Creates the watchers, if any, and begins to send requests. */
  async begin(): Promise<void> {
    if (this.job.kind === "watch") await this.watch();
    for (let slot = 0; slot < this.job.inFlight; slot++) this.send(this.connections[slot % this.connections.length]!);
  }

  /** Begins the measurement. */
  count(): void {
    this.latencies = [];
    this.events = this.errors = 0;
    this.isCounting = true;
  }

  /** Returns the outcome since `count`, `seconds` ago. */
  result(seconds: number): LoadResult {
    const sorted = Float64Array.from(this.latencies).sort();
    return {
      count: this.job.kind === "watch" ? this.events : sorted.length,
      errors: this.errors,
      seconds,
      quantiles: shares.map((share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN),
    };
  }

  private send(connection: LoadConnection): void {
    const { path, message } = this.requests[this.next++ % this.requests.length]!;
    const sentAt = performance.now();
    connection.callUnary(path, message, {
      onEnd: (status) => {
        if (status !== "0") this.errors++;
        if (this.isCounting) this.latencies.push(performance.now() - sentAt);
        if (status === "0" || this.errors < maxErrors) this.send(connection);
      },
    });
  }

  private watch(): Promise<void> {
    const { connections, job } = this;
    const create = frameMessage(
      WatchRequest.encode(
        WatchRequest.fromPartial({
          requestUnion: {
            $case: "createRequest",
            value: { key: Buffer.from(prefix), rangeEnd: Buffer.from(prefixEnd) },
          },
        }),
      ).finish(),
    );
    const onMessage = (message: Buffer): void => {
      const { created, events } = countWatch(message);
      this.events += events;
      if (created && ++this.created === job.watchers) this.onCreated();
    };
    const all = new Promise<void>((resolve) => (this.onCreated = resolve));
    const streams = connections.map((connection) =>
      connection.openStream(paths.watch, { onMessage, onEnd: () => this.errors++ }),
    );
    for (let n = 0; n < job.watchers; n++) streams[n % streams.length]!(create);
    return all;
  }
}

/** The errors after which failed requests are not followed by further ones: a server that refuses all would get them for ever. */
const maxErrors = 1_000;
