// Encodes the answers of a watch stream. Watchers of the same keys get the same message except for the watch id, so the rest is
// encoded once.

import { noBytes } from "../base/index.js";
import { RawWatchResponse } from "../../proto/index.js";
import type { Sliced, ShouldYield } from "../../store/index.js";
import { encodeParts, eventsParts, fieldSize, ListMessage } from "../rpc/index.js";
import type { ResponseHeaders } from "./response-header.js";

const empty = RawWatchResponse.create();

const encode = (fields: Partial<RawWatchResponse>): Uint8Array =>
  RawWatchResponse.encode({ ...empty, ...fields }).finish();

/** Builds messages from encoded parts: concatenated encodings of fields are one message (Protocol Buffers encoding). */
export class WatchResponses {
  private lastEvents: readonly Uint8Array[] = [];
  private lastEncoded: Uint8Array = new Uint8Array();

  constructor(private readonly headers: ResponseHeaders) {}

  /** Encodes a response without events. */
  answer(revision: number, fields: Partial<RawWatchResponse>): Uint8Array {
    return joinParts([this.headerAt(revision), encode(fields)]);
  }

  /**
   * Encodes the fields of a response behind its header and watch id, which are the same for all watchers of the events.
   *
   * @param events unchanged later on: their encoding is cached for as long as the list is in memory
   */
  encodeEvents(events: readonly Uint8Array[]): Uint8Array {
    if (events === this.lastEvents) return this.lastEncoded;
    const encoded = encodeEvents(events);
    if (encoded.length > maxRememberedBytes) return encoded;
    this.lastEvents = events;
    return (this.lastEncoded = encoded);
  }

  /**
   * Encodes a message in fragments of less than `maxBytes` each: all but the last have `fragment` set. A single event is never
   * split.
   *
   * @param head from `headerAt`
   * @param watch from `encodeWatchId`
   */
  fragments(head: Uint8Array, watch: Uint8Array, events: readonly Uint8Array[], maxBytes: number): Uint8Array[] {
    const whole = this.encodeEvents(events);
    if (head.length + watch.length + whole.length < maxBytes) return [joinParts([head, watch, whole])];
    const mark = encode({ fragment: true });
    const parts = partsOf(events, whole, maxBytes - head.length - watch.length - mark.length);
    return parts.map((part, position) =>
      joinParts([head, watch, ...(position < parts.length - 1 ? [mark] : []), part]),
    );
  }

  /**
   * Does the work of `encodeEvents` with the same list in slices.
   *
   * @param shouldYield called with the number of events since the last call; true: other work has to run
   */
  *prepare(events: readonly Uint8Array[], shouldYield: ShouldYield): Sliced<void> {
    if (encodedLists.has(events)) return;
    encodedLists.set(events, yield* encodeParts(eventsParts(events), shouldYield));
  }

  /** Encodes the header of all messages of one revision. */
  headerAt(revision: number): Uint8Array {
    return this.headers.encodeAt(revision);
  }
}

/** Encodes the field `watch_id`, once per watch. */
export const encodeWatchId = (watchId: bigint): Uint8Array => encode({ watchId });

/** The maximum number of bytes that `encodeWatchId` returns. */
export const maxWatchIdBytes = 11;

/** The last encoding up to this size is cached without a lookup, until another one replaces it; in bytes. */
const maxRememberedBytes = 64 * 1024;
/** The tag of the field `events`. */
const eventsTag = 0x5a;

const encodedLists = new WeakMap<readonly Uint8Array[], Uint8Array>();

/** Encodes a list of events once for all watchers that share the list. */
const encodeEvents = (events: readonly Uint8Array[]): Uint8Array => {
  let bytes = encodedLists.get(events);
  if (bytes === undefined) {
    bytes = new ListMessage(noBytes, eventsTag, events, noBytes).toBytes();
    encodedLists.set(events, bytes);
  }
  return bytes;
};

/**
 * Divides the encoded list `whole` of `events` into parts of less than `maxBytes`, but of one event at least. The division is
 * etcd's.
 */
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
