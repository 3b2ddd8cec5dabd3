// Answers of a watch stream, encoded. A wide fan-out says the same to many watchers: only the watch id differs.

import { RawWatchResponse } from "../../proto/index.js";
import type { ResponseHeaders } from "./response-header.js";

const empty = RawWatchResponse.create();

const encode = (fields: Partial<RawWatchResponse>): Uint8Array =>
  RawWatchResponse.encode({ ...empty, ...fields }).finish();

/** Messages put together of encoded parts: on the wire, fields that follow each other are one message. */
export class WatchResponses {
  private header: Uint8Array = new Uint8Array();
  private headerRevision = -1;
  private headerTerm = -1;

  constructor(private readonly headers: ResponseHeaders) {}

  /** Anything but events. */
  answer(revision: number, fields: Partial<RawWatchResponse>): Uint8Array {
    return joined([this.headerAt(revision), encode(fields)]);
  }

  /**
   * @param watch from `encodedWatchId`
   * @param events not changed any more: what they are on the wire is kept as long as they are
   */
  events(revision: number, watch: Uint8Array, events: readonly Uint8Array[]): Uint8Array {
    return joined([this.headerAt(revision), watch, encodedEvents(events)]);
  }

  /** The same as parts of less than `maxBytes` each: all but the last say `fragment`. An event by itself is never split. */
  fragments(revision: number, watch: Uint8Array, events: readonly Uint8Array[], maxBytes: number): Uint8Array[] {
    const whole = this.events(revision, watch, events);
    if (whole.length < maxBytes) return [whole];
    const header = this.headerAt(revision);
    const mark = encode({ fragment: true });
    const parts = partsOf(events, maxBytes - header.length - watch.length - mark.length);
    return parts.map((part, position) =>
      joined([header, watch, ...(position < parts.length - 1 ? [mark] : []), encode({ events: part })]),
    );
  }

  private headerAt(revision: number): Uint8Array {
    const term = this.headers.term;
    if (revision !== this.headerRevision || term !== this.headerTerm) {
      this.header = encode({ header: this.headers.at(revision) });
      this.headerRevision = revision;
      this.headerTerm = term;
    }
    return this.header;
  }
}

/** Said with every change to the same watch. */
export const encodedWatchId = (watchId: bigint): Uint8Array => encode({ watchId });

const encodedLists = new WeakMap<readonly Uint8Array[], Uint8Array>();

/** Watchers that are told the same share the list. */
const encodedEvents = (events: readonly Uint8Array[]): Uint8Array => {
  let bytes = encodedLists.get(events);
  if (bytes === undefined) {
    bytes = encode({ events });
    encodedLists.set(events, bytes);
  }
  return bytes;
};

/** Parts of less than `maxBytes`, but of one event at least. Where they end is etcd's. */
const partsOf = (events: readonly Uint8Array[], maxBytes: number): Uint8Array[][] => {
  const parts: Uint8Array[][] = [];
  let part: Uint8Array[] = [];
  let partBytes = 0;
  for (const event of events) {
    const bytes = eventFieldSize(event);
    if (part.length > 0 && partBytes + bytes >= maxBytes) {
      parts.push(part);
      part = [];
      partBytes = 0;
    }
    part.push(event);
    partBytes += bytes;
  }
  parts.push(part);
  return parts;
};

/** Tag, length and bytes. */
const eventFieldSize = ({ length }: Uint8Array): number => {
  let size = 2 + length;
  for (let rest = length; rest >= 128; rest >>>= 7) size += 1;
  return size;
};

const joined = (parts: readonly Uint8Array[]): Uint8Array => {
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
