// Encodes messages of many keys in slices: a turn of the event loop for each ten thousand keys. The generated code encodes a
// whole message at once.

import { noBytes } from "../base/index.js";
import {
  encodeDeleteRangeResponse,
  encodeHeader,
  encodePutResponse,
  encodeRangeEnd,
  encodeTxnResponse,
  type RawDeleteRangeResponse,
  type RawRangeResponse,
  type RawResponseOp,
  type RawTxnResponse,
  writeNumber,
} from "../../proto/index.js";
import type { Sliced, ShouldYield } from "../../store/index.js";
import { allocateMessage } from "./framed-message.js";
import { fieldSize, ListMessage, sizeOfFields } from "./list-message.js";

/** A repeated field of bytes, or of encoded messages. */
interface Items {
  readonly tag: number;
  readonly items: readonly Uint8Array[];
}

/** A nested message. */
interface Nested {
  readonly tag: number;
  readonly parts: readonly Part[];
}

/** A part of a message: encoded fields, or fields to encode. */
export type Part = Uint8Array | Items | Nested;

/** A message that consists mostly of the items of one repeated field. */
export type LargeList = Pick<ListMessage, "head" | "tag" | "items" | "tail">;

/** Returns the tag of a field: its number and wire type 2, as all of these have a length. */
const tagOf = (field: number): number => (field << 3) | 2;

/** An answer with more items, or more bytes in them, is encoded in slices. */
const maxItemsAtOnce = 500;
const maxBytesAtOnce = 256 * 1024;
/** Copying this number of bytes takes about as long as handling a key. */
const bytesPerKey = 4 * 1024;

/** Whether encoding these items at once would delay others. @param most the number of bytes that would not */
export const areMany = (items: readonly Uint8Array[], most = maxBytesAtOnce): boolean => {
  if (items.length > maxItemsAtOnce) return true;
  let bytes = 0;
  for (const { length } of items) bytes += length;
  return bytes > most;
};

// A header is passed as its encoded field.

/** The tag of the keys in a RangeResponse. */
export const rangeKvsTag = tagOf(2);

/** Returns the parts of a RangeResponse. @param header the encoded field `header` */
export const rangeParts = (response: RawRangeResponse, header: Uint8Array): Part[] => [
  header,
  { tag: rangeKvsTag, items: response.kvs },
  encodeRangeEnd(response),
];

/** Returns the parts of a DeleteRangeResponse. @param header the encoded field `header` */
export const deleteRangeParts = (response: RawDeleteRangeResponse, header: Uint8Array): Part[] => [
  encodeDeleteRangeResponse({ ...response, prevKvs: [] }, header),
  { tag: tagOf(3), items: response.prevKvs },
];

/** Returns the parts of a TxnResponse. */
export const txnParts = (response: RawTxnResponse, header: Uint8Array): Part[] => [
  encodeTxnResponse({ ...response, responses: [] }, header),
  ...response.responses.map((each): Part => ({ tag: tagOf(3), parts: opParts(each) })),
];

/** Returns the parts of a LeaseLeasesResponse. @param leases each an encoded LeaseStatus */
export const leasesParts = (header: Uint8Array, leases: readonly Uint8Array[]): Part[] => [
  header,
  { tag: tagOf(2), items: leases },
];

/** Returns the field `events` of a WatchResponse. @param events each an encoded Event */
export const eventsParts = (events: readonly Uint8Array[]): Part[] => [{ tag: tagOf(11), items: events }];

const opParts = ({ response }: RawResponseOp): Part[] => {
  const header = encodeHeader(response?.value.header);
  switch (response?.$case) {
    case "responseRange":
      return [{ tag: tagOf(1), parts: rangeParts(response.value, header) }];
    case "responsePut":
      return [{ tag: tagOf(2), parts: [encodePutResponse(response.value, header)] }];
    case "responseDeleteRange":
      return [{ tag: tagOf(3), parts: deleteRangeParts(response.value, header) }];
    case "responseTxn":
      return [{ tag: tagOf(4), parts: txnParts(response.value, header) }];
    case undefined:
      return [];
  }
};

/** Whether any part of a transaction's answer is large enough to encode in slices. */
export const hasMany = ({ responses }: RawTxnResponse): boolean => {
  if (responses.length > maxItemsAtOnce) return true;
  return responses.some(({ response }) => {
    if (response?.$case === "responseRange") return areMany(response.value.kvs);
    if (response?.$case === "responseDeleteRange") return areMany(response.value.prevKvs);
    return response?.$case === "responseTxn" && hasMany(response.value);
  });
};

/** Encodes a message in slices: adds up the lengths first, then writes into a buffer of the exact size. */
export function* encodeParts(parts: readonly Part[], shouldYield: ShouldYield): Sliced<Uint8Array> {
  const sizes = new Map<Part, number>();
  const size = yield* sizeOfAll(parts, sizes, shouldYield);
  const target: Target = { bytes: allocateMessage(size), at: 0 };
  yield* writeAll(parts, { target, sizes, shouldYield });
  return target.bytes;
}

function* sizeOfAll(parts: readonly Part[], sizes: Map<Part, number>, shouldYield: ShouldYield): Sliced<number> {
  let total = 0;
  for (const part of parts) {
    const size = yield* sizeOf(part, sizes, shouldYield);
    sizes.set(part, size);
    total += part instanceof Uint8Array || "items" in part ? size : fieldSize(size);
  }
  return total;
}

/** Returns the bytes of all fields of the items, or of the content of a nested message. */
function* sizeOf(part: Part, sizes: Map<Part, number>, shouldYield: ShouldYield): Sliced<number> {
  if (part instanceof Uint8Array) return part.length;
  if ("parts" in part) return yield* sizeOfAll(part.parts, sizes, shouldYield);
  let size = 0;
  for (let first = 0; first < part.items.length; first += lengthsPerLook) {
    size += sizeOfFields(part.items, first, Math.min(part.items.length, first + lengthsPerLook));
    if (shouldYield(lengthsPerLook / lengthsPerKey)) yield;
  }
  return size;
}

const lengthsPerLook = 256;
/**
 * Adding up this number of lengths takes about as long as handling a key: each is read from an object that is not in a CPU
 * cache.
 */
const lengthsPerKey = 8;

/** Limits of a piece of a list: its last item is the one that reaches either. */
const maxPieceBytes = 512 * 1024;
const maxPieceItems = 2_048;

/**
 * Divides a message that is mostly a list, in slices. No byte is copied: each piece is a message of its own, and the
 * concatenation is the whole message.
 */
export function* listPieces(whole: LargeList, shouldYield: ShouldYield): Sliced<ListMessage[]> {
  const { head, tag, items, tail } = whole;
  const pieces: ListMessage[] = [];
  for (let from = 0; from < items.length || from === 0;) {
    let to = from;
    let bytes = 0;
    while (to < items.length && bytes < maxPieceBytes && to - from < maxPieceItems) {
      const end = Math.min(items.length, to + itemsPerLook);
      bytes += sizeOfFields(items, to, end);
      if (shouldYield((end - to) / lengthsPerKey)) yield;
      to = end;
    }
    const isLast = to === items.length;
    pieces.push(
      new ListMessage(from === 0 ? head : noBytes, tag, items.slice(from, to), isLast ? tail : noBytes, bytes),
    );
    if (isLast) break;
    from = to;
  }
  return pieces;
}

/** Items between two checks of a piece's size. */
const itemsPerLook = 16;

interface Target {
  readonly bytes: Buffer;
  at: number;
}

interface WriteContext {
  readonly target: Target;
  readonly sizes: ReadonlyMap<Part, number>;
  readonly shouldYield: ShouldYield;
}

function* writeAll(parts: readonly Part[], context: WriteContext): Sliced<void> {
  for (const part of parts) {
    if (part instanceof Uint8Array) writeBytes(part, context.target);
    else if ("parts" in part) {
      writeTag(part.tag, context.sizes.get(part) ?? 0, context.target);
      yield* writeAll(part.parts, context);
    } else
      for (const item of part.items) {
        writeTag(part.tag, item.length, context.target);
        writeBytes(item, context.target);
        if (context.shouldYield(1 + item.length / bytesPerKey)) yield;
      }
  }
}

const writeBytes = (bytes: Uint8Array, target: Target): void => {
  target.bytes.set(bytes, target.at);
  target.at += bytes.length;
};

const writeTag = (tag: number, length: number, target: Target): void => {
  target.bytes[target.at++] = tag;
  target.at = writeNumber(target.bytes, target.at, length);
};
