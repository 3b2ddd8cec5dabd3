import { RawWatchResponse } from "../../proto/index.js";

/**
 * Splits a response between events into parts of less than `maxBytes` each: all but the last say `fragment`. An event
 * by itself is never split. Where the parts end is etcd's.
 */
export const fragmentsOf = (response: RawWatchResponse, maxBytes: number): RawWatchResponse[] => {
  const wholeBytes = response.events.reduce(
    (sum, event) => sum + eventFieldSize(event),
    sizeOf({ ...response, events: [] }),
  );
  if (wholeBytes < maxBytes) return [response];
  const emptyBytes = sizeOf({ ...response, fragment: true, events: [] });
  const parts: Uint8Array[][] = [];
  let part: Uint8Array[] = [];
  let partBytes = emptyBytes;
  for (const event of response.events) {
    const bytes = eventFieldSize(event);
    if (part.length > 0 && partBytes + bytes >= maxBytes) {
      parts.push(part);
      part = [];
      partBytes = emptyBytes;
    }
    part.push(event);
    partBytes += bytes;
  }
  parts.push(part);
  return parts.map((events, position) => ({ ...response, fragment: position < parts.length - 1, events }));
};

const sizeOf = (response: RawWatchResponse): number => RawWatchResponse.encode(response).finish().length;

/** Tag, length and bytes. */
const eventFieldSize = ({ length }: Uint8Array): number => {
  let size = 2 + length;
  for (let rest = length; rest >= 128; rest >>>= 7) size += 1;
  return size;
};
