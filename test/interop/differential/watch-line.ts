// One watch stream of one server, and what has come on it.
import type { ClientDuplexStream, StatusObject } from "@grpc/grpc-js";
import type { WatchRequest, WatchResponse } from "../../../proto/index.js";
import { within } from "../../support/deadline.js";
import type { Channel, Fields } from "./requests.js";

/** Far beyond what anything here takes: what has not come by then does not come. */
const patienceMs = 5_000;

/** An answer to a request on the stream, and nothing that a watcher has to tell. */
const isReply = ({ created, canceled, compactRevision, watchId, events }: WatchResponse) =>
  created || (compactRevision === 0n && events.length === 0 && (canceled || watchId === -1n));

export class WatchLine {
  /** Answers to requests, until they are taken. */
  private replies: WatchResponse[] = [];
  /** Responses that were not taken, by the ids of their watchers. */
  private readonly told = new Map<bigint, WatchResponse[]>();
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
    this.call.on("error", () => undefined); // the status tells
    this.call.on("status", ({ code, details }: StatusObject) => this.fail(`the stream ended: ${code} ${details}`));
  }

  send(request: WatchRequest): void {
    this.call.write(request);
  }

  close(): void {
    this.call.cancel();
  }

  responsesOf = (id: bigint): readonly WatchResponse[] => this.told.get(id) ?? [];

  /** Whether it came about in time; what is missing shows in what is compared. */
  async waitUntil(condition: () => boolean): Promise<boolean> {
    const waitUntilMet = async () => {
      while (!condition()) {
        if (this.failure !== undefined) throw new Error(this.failure);
        await new Promise<void>((resolve) => (this.wake = resolve));
      }
      return true;
    };
    return within(patienceMs, "what was expected on a watch stream", waitUntilMet()).catch(() => false);
  }

  waitForReply = (isLast: (reply: WatchResponse) => boolean): Promise<boolean> =>
    this.waitUntil(() => this.replies.some(isLast));

  /** A failure of the stream is the last of them. */
  takeReplies(): (WatchResponse | string)[] {
    const replies = this.replies;
    this.replies = [];
    return this.failure === undefined ? replies : [...replies, this.failure];
  }

  takeTold(): ReadonlyMap<bigint, readonly WatchResponse[]> {
    const told = new Map(this.told);
    this.told.clear();
    return told;
  }

  /** As if it had told nothing. */
  drop(id: bigint): void {
    this.told.delete(id);
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
    const told = this.told.get(watchId);
    if (told === undefined) this.told.set(watchId, [response]);
    else told.push(response);
  }

  private fail(failure: string): void {
    this.failure ??= failure;
    this.wake();
  }
}
