// Records the operations on keys of clients in this process.

import {
  type Channel,
  type ChannelCall,
  type ChannelSettings,
  type ChannelState,
  type ChannelStream,
  type Client,
  errorFromFailure,
  type StatusError,
  type StreamMethod,
  type Transport,
} from "../../../client/index.js";
import { KVDefinition } from "../../../proto/index.js";
import type { History, Operation, OperationOutcome } from "../linearizability/index.js";
import type { TestClientOptions } from "./options.js";

/** Options of a client whose operations are recorded. */
export type RecordedClientOptions = TestClientOptions & {
  /** Name of the client in the history. Default: client1, client2 and so on. */
  readonly name?: string | undefined;
};

/** The cluster whose clients are recorded. */
export interface RecordedCluster {
  readonly transport: Transport;
  readonly now: () => number;
  /** Makes a client that the server closes at its end. */
  readonly client: (options: TestClientOptions, transport: Transport) => Client;
}

const { fullName, methods } = KVDefinition;
const kindOf: ReadonlyMap<string, Operation["kind"]> = new Map([
  [`/${fullName}/${methods.put.name}`, "put"],
  [`/${fullName}/${methods.range.name}`, "get"],
  [`/${fullName}/${methods.deleteRange.name}`, "delete"],
  [`/${fullName}/${methods.txn.name}`, "txn"],
]);

/** Milliseconds between the recorded times of two events at the same time of the clock: their order is recorded, too. */
const leastDistanceMs = 0.001;

/**
 * A recording in progress: all requests on keys of its clients; each attempt is an operation. Begun by `record()` of a test
 * server or cluster.
 */
export class Recording {
  private readonly done: Operation[] = [];
  private readonly open = new Set<Operation>();
  private clientCount = 0;
  private lastTime = 0;
  private start: Pick<History, "startRevision" | "startKeys"> = { startRevision: 1, startKeys: [] };

  private constructor(private readonly cluster: RecordedCluster) {}

  /** Begins a recording with the current contents of the cluster. */
  static async start(cluster: RecordedCluster): Promise<Recording> {
    const recording = new Recording(cluster);
    await using client = recording.client();
    await client.kv.get("", { prefix: true });
    const [first] = recording.done.splice(0);
    if (first?.kind !== "get" || first.response?.header === undefined)
      throw new Error("Cannot record: the contents of the test server could not be read");
    recording.start = { startRevision: Number(first.response.header.revision), startKeys: first.response.kvs };
    recording.clientCount = 0;
    return recording;
  }

  /**
   * Makes a client in this process whose requests are recorded, including those of locks and elections. The server closes it at
   * its end.
   */
  client({ name = `client${this.clientCount + 1}`, ...options }: RecordedClientOptions = {}): Client {
    const { cluster } = this;
    this.clientCount += 1;
    return cluster.client(options, {
      open: (endpoint, settings) => this.channel(cluster.transport, { name, endpoint, settings }),
    });
  }

  /** Returns the history so far. Requests in flight have an unknown outcome. */
  history(): History {
    const operations = [...this.done, ...this.open].sort((a, b) => a.invoked - b.invoked);
    return { ...this.start, operations };
  }

  private channel(transport: Transport, { name, endpoint, settings }: ChannelOf): Channel {
    return new RecordedChannel(transport.open(endpoint, settings), (path, request) => {
      const kind = kindOf.get(path);
      return kind && this.noteCall({ kind, client: name, request, endpoint });
    });
  }

  /** Records the call of an operation. @returns a function that records its end */
  private noteCall({ kind, client, request, endpoint }: Asked): (failure: Error | null, response: unknown) => void {
    const asked = { kind, client, request, invoked: this.time() };
    const noted = asOperation(asked, { returned: Infinity, outcome: "unknown", response: undefined });
    this.open.add(noted);
    return (failure, response) => {
      this.open.delete(noted);
      const outcome =
        failure === null ? "ok" : errorFromFailure(failure, kind === "get" ? "read" : "write", endpoint).outcome;
      this.done.push(asOperation(asked, { returned: this.time(), outcome, response }));
    };
  }

  private time(): number {
    this.lastTime = Math.max(this.cluster.now(), this.lastTime + leastDistanceMs);
    return this.lastTime;
  }
}

interface ChannelOf {
  readonly name: string;
  readonly endpoint: string;
  readonly settings: ChannelSettings;
}

interface Asked extends Pick<Operation, "kind" | "client"> {
  readonly request: unknown;
  readonly endpoint: string;
}

interface Ended extends Pick<Operation, "returned"> {
  readonly outcome: OperationOutcome;
  readonly response: unknown;
}

/** Combines call and end of an operation; the types fit, because the path of the method determines them. */
const asOperation = (asked: object, ended: Ended): Operation => ({ ...asked, ...ended }) as unknown as Operation;

/** A channel that records the call and the end of each unary request. */
class RecordedChannel implements Channel {
  constructor(
    private readonly inner: Channel,
    private readonly begin: (
      path: string,
      request: unknown,
    ) => ((failure: Error | null, response: unknown) => void) | undefined,
  ) {}

  get state(): ChannelState {
    return this.inner.state;
  }

  connect(): void {
    this.inner.connect();
  }

  onStateChange(listener: () => void): void {
    this.inner.onStateChange(listener);
  }

  onReplaced(listener: (failure: StatusError) => void): void {
    this.inner.onReplaced?.(listener);
  }

  failureReason(): Promise<string> {
    return this.inner.failureReason();
  }

  unary<Request, Response>(
    method: StreamMethod<Request, Response>,
    request: Request,
    timeoutMs: number | undefined,
    onEnd: (failure: Error | null, response: Response | undefined) => void,
    metadata?: Readonly<Record<string, string>>,
  ): ChannelCall {
    const end = this.begin(method.path, request);
    const onCallEnd = (failure: Error | null, response: Response | undefined): void => {
      end?.(failure, response);
      onEnd(failure, response);
    };
    return this.inner.unary(method, request, timeoutMs, onCallEnd, metadata);
  }

  bidi<Request, Response>(
    method: StreamMethod<Request, Response>,
    metadata: Readonly<Record<string, string>>,
    onMessage: (response: Response) => void,
    onEnd: (failure: Error | undefined) => void,
  ): ChannelStream<Request> {
    return this.inner.bidi(method, metadata, onMessage, onEnd);
  }

  close(): void {
    this.inner.close();
  }
}
