// A raw Watch call: requests as they are written, responses as they arrive.

import { Client as GrpcClient, credentials, Metadata, type ClientDuplexStream, type StatusObject } from "@grpc/grpc-js";
import { WatchCreateRequest, WatchRequest, WatchResponse, type Event } from "../../proto/index.js";
import { within } from "./deadline.js";

const timeoutMs = 15_000;

export type CreateOptions = Partial<Omit<WatchCreateRequest, "key" | "rangeEnd" | "startRevision" | "watchId">> & {
  readonly key?: string;
  readonly rangeEnd?: string;
  readonly startRevision?: number | bigint;
  readonly watchId?: number;
};

export const createRequest = ({ key, rangeEnd, startRevision, watchId, ...rest }: CreateOptions): WatchRequest => {
  const value = WatchCreateRequest.create({
    ...rest,
    key: Buffer.from(key ?? "", "latin1"),
    rangeEnd: Buffer.from(rangeEnd ?? "", "latin1"),
    startRevision: BigInt(startRevision ?? 0),
    watchId: BigInt(watchId ?? 0),
  });
  return { requestUnion: { $case: "createRequest", value } };
};

/** Shows an event as `PUT k=v 5` or `DELETE k 6`, with a previous value as `PUT k=w 7 was v`. */
export const showEvent = ({ type, kv, prevKv }: Event): string => {
  const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? "").toString("latin1");
  const change = type === 0 ? `PUT ${text(kv?.key)}=${text(kv?.value)}` : `DELETE ${text(kv?.key)}`;
  return `${change} ${kv?.modRevision}${prevKv === undefined ? "" : ` was ${text(prevKv.value)}`}`;
};

export class WatchStream implements Disposable {
  /** Resolves with the status at the end of the stream. */
  readonly whenEnded: Promise<StatusObject>;
  /** All responses received, including those that `next` has returned. */
  readonly received: WatchResponse[] = [];
  private given = 0;
  private readonly grpc: GrpcClient;
  private readonly call: ClientDuplexStream<WatchRequest, WatchResponse>;
  private wake: () => void = () => undefined;
  private status: StatusObject | undefined = undefined;

  /** @param endpoint `host:port` or `unix:/path` */
  constructor(endpoint: string, metadata: Readonly<Record<string, string>> = {}) {
    this.grpc = new GrpcClient(endpoint, credentials.createInsecure(), {
      "grpc.max_receive_message_length": -1,
      "grpc.use_local_subchannel_pool": 1,
    });
    const headers = new Metadata({ waitForReady: true });
    for (const [key, value] of Object.entries(metadata)) headers.set(key, value);
    this.call = this.grpc.makeBidiStreamRequest<WatchRequest, WatchResponse>(
      "/etcdserverpb.Watch/Watch",
      (request) => Buffer.from(WatchRequest.encode(request).finish()),
      (bytes) => WatchResponse.decode(bytes),
      headers,
    );
    this.call.on("data", (response: WatchResponse) => {
      this.received.push(response);
      this.wake();
    });
    this.call.on("error", () => undefined); // `ended` reports it
    this.whenEnded = new Promise((resolve) =>
      this.call.on("status", (status) => {
        this.status = status;
        resolve(status);
        this.wake();
      }),
    );
  }

  send(request: WatchRequest): void {
    this.call.write(request);
  }

  /** Creates a watcher and waits for the answer, which must be the next response. */
  async create(options: CreateOptions): Promise<WatchResponse> {
    this.send(createRequest(options));
    return this.next();
  }

  cancel(watchId: number | bigint): void {
    this.send({ requestUnion: { $case: "cancelRequest", value: { watchId: BigInt(watchId) } } });
  }

  requestProgress(): void {
    this.send({ requestUnion: { $case: "progressRequest", value: {} } });
  }

  halfClose(): void {
    this.call.end();
  }

  /** Reads nothing from the connection until `resume`. */
  pause(): void {
    this.call.pause();
  }

  resume(): void {
    this.call.resume();
  }

  /**
   * Waits for the next response.
   * @throws Error if the stream ends before, or none comes
   */
  async next(): Promise<WatchResponse> {
    const waitForResponse = async (): Promise<WatchResponse> => {
      for (;;) {
        const response = this.received[this.given];
        if (response !== undefined) return response;
        if (this.status !== undefined) throw new Error(`the stream ended: ${this.status.details}`);
        await new Promise<void>((resolve) => (this.wake = resolve));
      }
    };
    const response = await within(timeoutMs, "a response on the watch stream", waitForResponse());
    this.given += 1;
    return response;
  }

  /** Waits for the next `count` events, in as many responses as needed. */
  async nextEvents(count: number): Promise<string[]> {
    const events: string[] = [];
    while (events.length < count) events.push(...(await this.next()).events.map(showEvent));
    return events;
  }

  [Symbol.dispose](): void {
    this.call.cancel();
    this.grpc.close();
  }
}
