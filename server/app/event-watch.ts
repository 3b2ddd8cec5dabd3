import { RawEvent, type WatchCreateRequest } from "../../proto/index.js";
import type { WatchBatch } from "../../store/index.js";
import { type Caller, noBytes, ServerError } from "../base/index.js";
import type { Application } from "./application.js";
import type { WatchView, WatchAnswer, WatchListener, WatchSession } from "./sessions.js";

/** Receives the events of one watch. */
export interface EventTaker {
  /** Whether there is room for events; if not, `EventWatch.resume` is called later. */
  hasRoom(): boolean;
  /** Receives an event. @returns true: the event ends the watch */
  takeEvent(event: RawEvent): boolean;
}

/** An internal watch of the member, which ends at a certain event. */
export class EventWatch implements WatchListener {
  /** Resolves after that event, or when a compaction has removed the watch's history. */
  readonly whenOver: Promise<void>;
  private session: WatchSession | undefined;
  private isOver = false;
  private resolve: () => void = () => undefined;
  private reject: (error: Error) => void = () => undefined;

  constructor(private readonly taker: EventTaker) {
    this.whenOver = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.whenOver.catch(() => undefined); // the owner handles the rejection
  }

  /** Begins the watch. @throws ServerError if it is refused */
  open(application: Pick<Application, "watch">, caller: Caller, request: WatchCreateRequest): void {
    this.session = application.watch(caller, this);
    this.session.create(request);
  }

  resume(): void {
    this.session?.resume();
  }

  close(): void {
    this.isOver = true;
    this.session?.close();
    this.session = undefined;
  }

  createLabel(): Uint8Array {
    return noBytes;
  }

  onEvents(_watches: readonly WatchView[], from: number, to: number, { events }: WatchBatch): number {
    if (this.isOver) return to - from;
    if (!this.taker.hasRoom()) return 0;
    if (events.some((bytes) => this.taker.takeEvent(RawEvent.decode(bytes)))) this.endWatch();
    return to - from;
  }

  onAnswer(answer: WatchAnswer): boolean {
    if (answer.kind === "compacted") this.endWatch();
    if (answer.kind === "refused") this.onError(answer.error ?? new ServerError("too-many-requests", answer.reason));
    if (answer.kind === "canceled" && answer.error !== undefined) this.onError(answer.error);
    return true;
  }

  onError(error: unknown): void {
    this.isOver = true;
    this.reject(error instanceof Error ? error : new Error(String(error)));
  }

  private endWatch(): void {
    this.isOver = true;
    this.resolve();
  }
}
