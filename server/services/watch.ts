import { noBytes } from "../base/index.js";
import { WatchRequest, type RawWatchResponse } from "../../proto/index.js";
import type { Sliced, WatchBatch, ShouldYield } from "../../store/index.js";
import type { Application, WatchView, WatchAnswer, WatchListener, WatchSession } from "../app/index.js";
import { bidi, encodedAlready, type Method, type RequestSink, type BidiResponseStream } from "../rpc/index.js";
import type { ResponseHeaders } from "./response-header.js";
import { encodeWatchId, maxWatchIdBytes, WatchResponses } from "./watch-response.js";

/**
 * etcdserverpb.Watch.
 *
 * @param fragmentBytes a larger response to a watch with `fragment` is split
 */
export const watchMethods = (
  application: Pick<Application, "watch">,
  headers: ResponseHeaders,
  fragmentBytes: number,
): Method[] => {
  const responses = new WatchResponses(headers);
  return [
    bidi("/etcdserverpb.Watch/Watch", ownRequest, encodedAlready, (call, stream) => {
      const session = application.watch(call, new WatchResponder(responses, fragmentBytes, stream));
      stream.setDrainListener(() => session.resume());
      return new WatchRequests(session);
    }),
  ];
};

/** Decodes a copy: the keys of a watch stay in memory for long, and must not retain the whole buffer of the request. */
const ownRequest = { decode: (bytes: Uint8Array): WatchRequest => WatchRequest.decode(Uint8Array.from(bytes)) };

/** Passes the requests of a stream to its session. */
class WatchRequests implements RequestSink<WatchRequest> {
  constructor(private readonly session: WatchSession) {}

  onRequest({ requestUnion: request }: WatchRequest): void {
    switch (request?.$case) {
      case "createRequest":
        return this.session.create(request.value);
      case "cancelRequest":
        return this.session.cancel(request.value.watchId);
      case "progressRequest":
        return this.session.requestProgress();
      case undefined: // ignored, as in etcd
    }
  }

  /** Does nothing: the watches continue until the client cancels the call. */
  onHalfClose(): void {
    return;
  }

  onClosed(): void {
    this.session.close();
  }
}

/** Sends the events and answers of a session on a stream. */
class WatchResponder implements WatchListener {
  constructor(
    private readonly responses: WatchResponses,
    private readonly fragmentBytes: number,
    private readonly stream: BidiResponseStream<Uint8Array>,
  ) {}

  createLabel(watchId: bigint): Uint8Array {
    return encodeWatchId(watchId);
  }

  onEvents(watches: readonly WatchView[], from: number, to: number, { revision, events }: WatchBatch): number {
    const head = this.responses.headerAt(revision);
    const tail = this.responses.encodeEvents(events);
    if (head.length + maxWatchIdBytes + tail.length < this.fragmentBytes)
      return this.stream.sendEach(watches, from, to, head, tail);
    const sent = watches.slice(from, to).findIndex((watch) => !this.sendLarge(watch, head, tail, events));
    return sent === -1 ? to - from : sent;
  }

  prepare(events: readonly Uint8Array[], shouldYield: ShouldYield): Sliced<void> {
    return this.responses.prepare(events, shouldYield);
  }

  onAnswer(answer: WatchAnswer): boolean {
    const revision = answer.kind === "compacted" ? 0 : answer.revision; // as in etcd
    return this.stream.send(this.responses.answer(revision, fieldsOf(answer)));
  }

  onError(error: unknown): void {
    this.stream.fail(error);
  }

  /** @returns whether there was room for the events */
  private sendLarge(watch: WatchView, head: Uint8Array, tail: Uint8Array, events: readonly Uint8Array[]): boolean {
    if (!watch.fragment) return this.stream.sendEach([watch], 0, 1, head, tail) === 1;
    const [first = noBytes, ...rest] = this.responses.fragments(head, watch.label, events, this.fragmentBytes);
    if (this.stream.sendEach([{ label: noBytes }], 0, 1, first, noBytes) === 0) return false;
    for (const part of rest) this.stream.send(part);
    return true;
  }
}

/** The watch id in the answer to a refused watch, and in progress answers for the whole session. */
const noId = -1n;

const fieldsOf = (answer: WatchAnswer): Partial<RawWatchResponse> => {
  switch (answer.kind) {
    case "created":
      return { watchId: answer.watchId, created: true };
    case "refused":
      return { watchId: noId, created: true, canceled: true, cancelReason: answer.reason };
    case "canceled":
      return { watchId: answer.watchId, canceled: true, cancelReason: answer.reason ?? "" };
    case "compacted":
      return { watchId: answer.watchId, canceled: true, compactRevision: BigInt(answer.compactRevision) };
    case "progress":
      return { watchId: answer.watchId ?? noId };
  }
};
