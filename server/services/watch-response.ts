// Answers of a watch stream, encoded. A wide fan-out says the same to many watchers: only the watch id differs.

import { RawWatchResponse } from "../../proto/index.js";
import type { Sliced } from "../../store/index.js";
import { encodeParts, eventsParts, fieldSize, ListMessage, type ShouldYield } from "../rpc/index.js";
import type { ResponseHeaders } from "./response-header.js";

const empty = RawWatchResponse.create();

const encode = (fields: Partial<RawWatchResponse>): Uint8Array =>
  RawWatchResponse.encode({ ...empty, ...fields }).finish();

/** Messages put together of encoded parts: on the wire, fields that follow each other are one message. */
export class WatchResponses {
  private lastEvents: readonly Uint8Array[] = [];
  private lastEncoded: Uint8Array = new Uint8Array();

  constructor(private readonly headers: ResponseHeaders) {}

  /** Encodes a response without events. */
  answer(revision: number, fields: Partial<RawWatchResponse>): Uint8Array {
    return joinParts([this.headerAt(revision), encode(fields)]);
  }

  /**
   * Returns what all messages with the same events end with, behind their header and the id of their watch.
   *
   * @param events not changed any more: what they are on the wire is kept as long as they are
   */
  encodedEvents(events: readonly Uint8Array[]): Uint8Array {
    if (events === this.lastEvents) return this.lastEncoded;
    const encoded = encodedEvents(events);
    if (encoded.length > maxRememberedBytes) return encoded;
    this.lastEvents = events;
    return (this.lastEncoded = encoded);
  }

  /**
   * A message in parts of less than `maxBytes` each: all but the last say `fragment`. An event by itself is never split.
   *
   * @param head from `headerAt`
   * @param watch from `encodedWatchId`
   */
  fragments(head: Uint8Array, watch: Uint8Array, events: readonly Uint8Array[], maxBytes: number): Uint8Array[] {
    const whole = this.encodedEvents(events);
    if (head.length + watch.length + whole.length < maxBytes) return [joinParts([head, watch, whole])];
    const mark = encode({ fragment: true });
    const parts = partsOf(events, whole, maxBytes - head.length - watch.length - mark.length);
    return parts.map((part, position) =>
      joinParts([head, watch, ...(position < parts.length - 1 ? [mark] : []), part]),
    );
  }

  /**
   * Does in slices what `encodedEvents` would have to do at once with the same list.
   *
   * @param shouldYield told how many events were looked at since it was asked last; true: others are to run
   */
  *prepare(events: readonly Uint8Array[], shouldYield: ShouldYield): Sliced<void> {
    if (encodedLists.has(events)) return;
    encodedLists.set(events, yield* encodeParts(eventsParts(events), shouldYield));
  }

  /** Returns what all messages of one revision begin with. */
  headerAt(revision: number): Uint8Array {
    return this.headers.encodedAt(revision);
  }
}

/** Said with every change to the same watch. */
export const encodedWatchId = (watchId: bigint): Uint8Array => encode({ watchId });

/** The most that `encodedWatchId` returns. */
export const maxWatchIdBytes = 11;

const noBytes = new Uint8Array();
/** Events up to this size are found without a lookup, and stay in memory until others follow. */
const maxRememberedBytes = 64 * 1024;
/** The tag of the field `events`. */
const eventsTag = 0x5a;

const encodedLists = new WeakMap<readonly Uint8Array[], Uint8Array>();

/** Watchers that are told the same share the list. */
const encodedEvents = (events: readonly Uint8Array[]): Uint8Array => {
  let bytes = encodedLists.get(events);
  if (bytes === undefined) {
    bytes = new ListMessage(noBytes, eventsTag, events, noBytes).toBytes();
    encodedLists.set(events, bytes);
  }
  return bytes;
};

/** `whole`, which is what `events` are on the wire, in parts of less than `maxBytes`, but of one event at least. Where they end is etcd's. */
const partsOf = (events: readonly Uint8Array[], whole: Uint8Array, maxBytes: number): Uint8Array[] => {
  const parts: Uint8Array[] = [];
  let start = 0;
  let end = 0;
  for (const { length } of events) {
    const bytes = fieldSize(length);
    if (end > start && end - start + bytes >= maxBytes) {
      parts.push(whole.subarray(start, end));
      start = end;
    }
    end += bytes;
  }
  parts.push(whole.subarray(start, end));
  return parts;
};

const joinParts = (parts: readonly Uint8Array[]): Uint8Array => {
  let length = 0;
  for (const part of parts) length += part.length;
  const bytes = Buffer.allocUnsafe(length);
  let position = 0;
  for (const part of parts) {
    bytes.set(part, position);
    position += part.length;
  }
  return bytes;
};
