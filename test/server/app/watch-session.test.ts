// Watches through the application of a member in this process.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Event, PutRequest, WatchCreateRequest } from "../../../proto/index.js";
import type { Application } from "../../../server/app/application.js";
import { resultOf } from "../../../server/app/result-of.js";
import type { WatchView, WatchAnswer, WatchListener } from "../../../server/app/sessions.js";
import type { WatchBatch } from "../../../store/index.js";
import { anonymousCaller } from "../../../server/base/caller.js";
import { within } from "../../support/deadline.js";
import { startApplication } from "./application-fixtures.js";

/** A listener that records its calls, and has a limited room. */
class Recorder implements WatchListener {
  readonly received: string[] = [];
  room = Infinity;
  private wake: () => void = () => undefined;

  onAnswer(answer: WatchAnswer): boolean {
    const id = "watchId" in answer ? ` ${answer.watchId}` : "";
    return this.tell(answer.kind === "refused" ? `refused: ${answer.reason}` : `${answer.kind}${id}`);
  }

  createLabel(watchId: bigint): Uint8Array {
    return Buffer.from(String(watchId));
  }

  onEvents(watches: readonly WatchView[], from: number, to: number, { events }: WatchBatch): number {
    const values = events.map((event) => Buffer.from(Event.decode(event).kv?.value ?? []).toString());
    let received = 0;
    for (const { label } of watches.slice(from, to)) {
      if (this.received.length >= this.room) break;
      this.tell(`events of ${Buffer.from(label).toString()}: ${values.join(" ")}`);
      received += 1;
    }
    return received;
  }

  onError(error: unknown): void {
    assert.ifError(error);
  }

  /** Resolves at the next call. */
  next(): Promise<void> {
    return within(5_000, "an answer or events", new Promise((resolve) => (this.wake = resolve)));
  }

  private tell(line: string): boolean {
    this.received.push(line);
    this.wake();
    return this.received.length < this.room;
  }
}

const put = (application: Application, key: string, value: string) =>
  resultOf(
    application.put,
    anonymousCaller,
    PutRequest.fromPartial({ key: Buffer.from(key), value: Buffer.from(value) }),
  );

const request = (fields: Partial<WatchCreateRequest>): WatchCreateRequest =>
  WatchCreateRequest.fromPartial({ key: Buffer.from("k"), ...fields });

test("a watch gets puts until it is canceled", async (t) => {
  const { application } = await startApplication(t);
  const listener = new Recorder();
  const session = application.watch(anonymousCaller, listener);
  session.create(request({}));
  await put(application, "k", "1");
  session.requestProgress();
  session.cancel(0n);
  await put(application, "k", "2");
  session.close();
  assert.deepEqual(listener.received, ["created 0", "events of 0: 1", "progress undefined", "canceled 0"]);
});

test("a watch from an earlier revision gets history", async (t) => {
  const { application } = await startApplication(t);
  await put(application, "k", "1");
  await put(application, "k", "2");
  const listener = new Recorder();
  const session = application.watch(anonymousCaller, listener);
  t.after(() => session.close());
  session.create(request({ startRevision: 2n }));
  await listener.next();
  assert.deepEqual(listener.received, ["created 0", "events of 0: 1 2"]);
});

test("a watch of an empty range is refused, and the session continues", async (t) => {
  const { application } = await startApplication(t);
  const listener = new Recorder();
  const session = application.watch(anonymousCaller, listener);
  t.after(() => session.close());
  session.create(request({ rangeEnd: Buffer.from("a") }));
  session.create(request({ watchId: 5n }));
  assert.deepEqual(listener.received, ["refused: mvcc: watcher range is empty", "created 5"]);
});

test("a listener without room gets the missed events once the session is resumed", async (t) => {
  const { application } = await startApplication(t);
  const listener = new Recorder();
  const session = application.watch(anonymousCaller, listener);
  t.after(() => session.close());
  listener.room = 2;
  session.create(request({}));
  for (const value of ["1", "2", "3"]) await put(application, "k", value);
  assert.deepEqual(listener.received, ["created 0", "events of 0: 1"]);
  listener.room = Infinity;
  const received = listener.next();
  session.resume();
  await received;
  assert.deepEqual(listener.received.slice(2), ["events of 0: 2 3"]);
});
