// All watches of a client, on one stream: assigns responses to watches, and creates the watches again on a new server.
import { WatchDefinition, type WatchCreateRequest, type WatchResponse } from "../../proto/index.js";
import {
  authErrorFromWatchEnd,
  type Clock,
  type ConnectError,
  type Endpoints,
  LastingStream,
  type LastingStreamEvents,
  streamMethod,
} from "../transport/index.js";

const watchMethod = streamMethod(WatchDefinition, WatchDefinition.methods.watch);

/** A watch, as the stream sees it. */
export interface Watcher {
  /** Returns the request that continues this watch at its position. */
  createRequest(): WatchCreateRequest;
  /** Receives a response: first that the watch is created or refused, then events and progress notices, finally the cancellation. */
  onResponse(response: WatchResponse): void;
  /** No server can be reached at the moment. The stream keeps trying. */
  onUnreachable(error: ConnectError): void;
  /** The stream has failed for good. */
  onFailure(error: Error): void;
}

/** A watch on the stream, from `add` to `remove`. */
export interface StreamWatch {
  readonly watcher: Watcher;
  /** The id that the current server gave to the watch; undefined until it has answered. */
  id: bigint | undefined;
}

/** Watch id in answers to `requestProgress`, which are for all watches. */
export const allWatches = -1n;

/** The stream of all watches of a client. Creates them again when it switches to another server. */
export class WatchStream implements LastingStreamEvents<WatchResponse> {
  private readonly stream: LastingStream<Parameters<typeof watchMethod.encode>[0], WatchResponse>;
  private readonly places = new Set<StreamWatch>();
  /** Watches whose creation is not answered yet, in the order of their requests: servers answer in order, and a refusal has no id. */
  private readonly asked: StreamWatch[] = [];
  private readonly byId = new Map<bigint, StreamWatch>();
  /** Whether a request for progress waits for the stream to open. */
  private isProgressDue = false;
  /** Stops the timer for the next answer, if it runs. */
  private stopAnswerTimer: (() => void) | undefined;

  constructor(private readonly endpoints: Endpoints) {
    this.stream = new LastingStream(endpoints, watchMethod, this);
  }

  onOpen(): void {
    this.forget();
    for (const place of this.places) this.ask(place);
    if (this.isProgressDue) this.requestProgress();
  }

  onMessage(response: WatchResponse): void {
    if (response.created) this.onCreated(response);
    else if (response.watchId === allWatches)
      for (const { watcher } of this.byId.values()) watcher.onResponse(response);
    else this.byId.get(response.watchId)?.watcher.onResponse(response);
  }

  onUnreachable(error: ConnectError): void {
    for (const { watcher } of this.places) watcher.onUnreachable(error);
  }

  onFailure(error: Error): void {
    this.forget();
    for (const { watcher } of this.places) watcher.onFailure(error);
    this.places.clear();
  }

  get clock(): Clock {
    return this.endpoints.clock;
  }

  add(watcher: Watcher): StreamWatch {
    const place: StreamWatch = { watcher, id: undefined };
    this.places.add(place);
    if (this.stream.isOpen) this.ask(place);
    else this.stream.start();
    return place;
  }

  /** Requests a progress notice for all watches, if there are any. */
  requestProgress(): void {
    this.isProgressDue = this.places.size > 0 && !this.stream.isOpen;
    this.stream.send({ requestUnion: { $case: "progressRequest", value: {} } });
  }

  /** May be called twice. */
  remove(place: StreamWatch): void {
    if (!this.places.delete(place)) return;
    if (this.places.size === 0) {
      this.isProgressDue = false;
      this.stream.stop();
      this.forget();
    } else if (place.id !== undefined) this.cancel(place.id);
  }

  private ask(place: StreamWatch): void {
    place.id = undefined;
    this.asked.push(place);
    this.stream.send({ requestUnion: { $case: "createRequest", value: place.watcher.createRequest() } });
    this.stopAnswerTimer ??= this.startAnswerTimer();
  }

  private cancel(watchId: bigint): void {
    this.byId.delete(watchId);
    this.stream.send({ requestUnion: { $case: "cancelRequest", value: { watchId } } });
  }

  private onCreated(response: WatchResponse): void {
    const place = this.asked.shift();
    this.stopAnswerTimer?.();
    this.stopAnswerTimer = this.asked.length > 0 ? this.startAnswerTimer() : undefined;
    if (place === undefined) throw new TypeError("Cannot read a watch's answer: there is no such watch");
    // The token belongs to the stream, so all watches continue on another stream with a new token.
    const refusal = response.canceled ? authErrorFromWatchEnd(response.cancelReason) : undefined;
    if (refusal !== undefined && this.stream.endIfRefused(refusal)) return;
    if (!this.places.has(place)) {
      if (!response.canceled) this.cancel(response.watchId); // the watch was removed meanwhile
      return;
    }
    if (!response.canceled) {
      place.id = response.watchId;
      this.byId.set(response.watchId, place);
    }
    place.watcher.onResponse(response);
  }

  /** Starts a timer for an answer: a frozen server accepts requests and never answers. */
  private startAnswerTimer(): () => void {
    const { requestTimeoutMs } = this.endpoints.settings;
    const leave = () => this.stream.leaveServer(`no answer to a watch within ${requestTimeoutMs} ms`);
    return this.clock.after(requestTimeoutMs, leave);
  }

  /** Drops the state that belongs to the previous server. */
  private forget(): void {
    this.asked.length = 0;
    this.byId.clear();
    for (const place of this.places) place.id = undefined;
    this.stopAnswerTimer?.();
    this.stopAnswerTimer = undefined;
  }
}
