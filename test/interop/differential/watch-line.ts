// One watch stream of one server, with the responses received.
import type { ClientDuplexStream, StatusObject } from "@grpc/grpc-js";
import type { WatchRequest, WatchResponse } from "../../../proto/index.js";
import { within } from "../../support/deadline.js";
import type { Channel, Fields } from "./requests.js";

/** Timeout for everything expected; later responses count as missing. */
const timeoutMs = 5_000;

/** Tells whether a response answers a request, and has no events. */
const isReply = ({ created, canceled, compactRevision, watchId, events }: WatchResponse) =>
  created || (compactRevision === 0n && events.length === 0 && (canceled || watchId === -1n));

export class WatchLine {
  /** Answers to requests, until `takeReplies` returns them. */
  private replies: WatchResponse[] = [];
  /** Other responses, by the id of the watcher. */
  private readonly received = new Map<bigint, WatchResponse[]>();
  private readonly call: ClientDuplexStream<WatchRequest, Fields>;
  private wake: () => void = () => undefined;
  private readonly announced = new Set<bigint>();
  private failure: string | undefined = undefined;

  constructor(channel: Channel) {
    this.call = channel.openWatch();
    this.call.on("data", (fields: Fields) => {
      this.receive(fields as unknown as WatchResponse);
      this.wake();
    });
    this.call.on("error", () => undefined); // the status event reports it
    this.call.on("status", ({ code, details }: StatusObject) => this.fail(`the stream ended: ${code} ${details}`));
  }

  send(request: WatchRequest): void {
    this.call.write(request);
  }

  close(): void {
    this.call.cancel();
  }

  responsesOf = (id: bigint): readonly WatchResponse[] => this.received.get(id) ?? [];

  /**
   * Waits until the condition is true.
   * @returns false at the timeout: the comparison then shows what is missing
   */
  async waitUntil(condition: () => boolean): Promise<boolean> {
    const waitUntilMet = async () => {
      while (!condition()) {
        if (this.failure !== undefined) throw new Error(this.failure);
        await new Promise<void>((resolve) => (this.wake = resolve));
      }
      return true;
    };
    return within(timeoutMs, "what was expected on a watch stream", waitUntilMet()).catch(() => false);
  }

  waitForReply = (isLast: (reply: WatchResponse) => boolean): Promise<boolean> =>
    this.waitUntil(() => this.replies.some(isLast));

  /** Takes the answers; the last one is the failure of the stream, if it has failed. */
  takeReplies(): (WatchResponse | string)[] {
    const replies = this.replies;
    this.replies = [];
    return this.failure === undefined ? replies : [...replies, this.failure];
  }

  takeReceived(): ReadonlyMap<bigint, readonly WatchResponse[]> {
    const received = new Map(this.received);
    this.received.clear();
    return received;
  }

  /** Drops the responses of a watcher. */
  drop(id: bigint): void {
    this.received.delete(id);
  }

  private receive(response: WatchResponse): void {
    const { watchId, created, canceled } = response;
    if (isReply(response)) {
      if (created && !canceled) this.announced.add(watchId);
      if (!created && canceled) this.announced.delete(watchId);
      this.replies.push(response);
      return;
    }
    if (!this.announced.has(watchId)) this.fail(`watcher ${watchId} tells of changes, but was not created`);
    const received = this.received.get(watchId);
    if (received === undefined) this.received.set(watchId, [response]);
    else received.push(response);
  }

  private fail(failure: string): void {
    this.failure ??= failure;
    this.wake();
  }
}
