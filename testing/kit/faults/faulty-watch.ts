import type { WatchCreateRequest } from "../../../proto/index.js";
import type { WatchView, WatchAnswer, WatchListener, WatchSession } from "../../../server/app/index.js";
import type { Sliced, WatchBatch } from "../../../store/index.js";
import type { Timeline } from "../../index.js";

/** The watches of one stream, with injected faults: stands between a session and its listener. */
export class FaultyWatch implements WatchListener, WatchSession {
  private session: WatchSession | undefined;
  /** The requests that wait for a delayed session. */
  private waiting: (() => void)[] | undefined;
  private readonly ids = new Set<bigint>();
  private isOver = false;

  /**
   * @param isToBeCanceled called when events are due
   * @param onClose called when the session is closed
   */
  constructor(
    private readonly listener: WatchListener,
    private readonly isToBeCanceled: () => boolean,
    private readonly onClose: () => void,
  ) {}

  /** Starts with the session, which gets its first request only after `delayMs`. */
  beginSession(session: WatchSession, delayMs: number, timeline: Timeline): void {
    this.session = session;
    if (delayMs === 0) return;
    this.waiting = [];
    timeline.after(delayMs, () => {
      const waiting = this.waiting ?? [];
      this.waiting = undefined;
      for (const run of waiting) this.runGuarded(run);
    });
  }

  /** Ends the session as if the member had ended it. */
  endSession(error: Error): void {
    if (!this.isOver) this.listener.onError(error);
  }

  // The service calls the following methods, as those of the session.

  create(request: WatchCreateRequest): void {
    this.ask((session) => session.create(request));
  }

  cancel(watchId: bigint): void {
    this.ask((session) => session.cancel(watchId));
  }

  requestProgress(): void {
    this.ask((session) => session.requestProgress());
  }

  resume(): void {
    this.session?.resume();
  }

  close(): void {
    this.isOver = true;
    this.onClose();
    this.session?.close();
  }

  // The session calls the following methods, as those of the listener.

  onError(error: unknown): void {
    this.listener.onError(error);
  }

  onEvents(watches: readonly WatchView[], from: number, to: number, batch: WatchBatch): number {
    if (!this.isToBeCanceled()) return this.listener.onEvents(watches, from, to, batch);
    queueMicrotask(() => this.cancelAll()); // later, because the session accepts no request while a write is applied
    return to - from;
  }

  prepare(events: readonly Uint8Array[], shouldYield: (events: number) => boolean): Sliced<void> {
    return this.listener.prepare?.(events, shouldYield) ?? doNothing();
  }

  onAnswer(answer: WatchAnswer): boolean {
    if (answer.kind === "canceled" || answer.kind === "compacted") this.ids.delete(answer.watchId);
    return this.listener.onAnswer(answer);
  }

  createLabel(watchId: bigint): Uint8Array {
    this.ids.add(watchId);
    return this.listener.createLabel(watchId);
  }

  private cancelAll(): void {
    if (this.isOver) return;
    for (const id of [...this.ids]) this.session?.cancel(id);
  }

  private ask(request: (session: WatchSession) => void): void {
    const run = (): void => {
      if (this.session !== undefined && !this.isOver) request(this.session);
    };
    if (this.waiting === undefined) run();
    else this.waiting.push(run);
  }

  private runGuarded(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.endSession(error as Error);
    }
  }
}

function* doNothing(): Sliced<void> {
  // for listeners without `prepare`
}
