import { BinaryReader } from "@bufbuild/protobuf/wire";
import { writeNumber } from "../../proto/index.js";
import type { Sliced } from "../../store/index.js";
import { fieldSize, type ShouldYield } from "../rpc/index.js";

/** The field `keys` of etcdserverpb.LeaseTimeToLiveResponse: number 5, with a length. */
const keysTag = (5 << 3) | 2;
const keysPerLook = 50;

/**
 * Encodes the field `keys` of a LeaseTimeToLiveResponse, in slices: the lengths first, then all keys into one buffer. A buffer for each
 * of tens of thousands of keys would be garbage that holds up the member for many milliseconds when it is collected.
 *
 * @param keys the keys, one character per byte
 */
export function* encodeLeaseKeys(keys: readonly string[], shouldYield: ShouldYield): Sliced<Uint8Array> {
  let size = 0;
  for (let first = 0; first < keys.length; first += keysPerLook) {
    size += sizeOfSome(keys, first);
    if (shouldYield(keysPerLook)) yield;
  }
  const encoded = Buffer.allocUnsafe(size);
  let at = 0;
  for (let first = 0; first < keys.length; first += keysPerLook) {
    at = writeSome(keys, first, encoded, at);
    if (shouldYield(keysPerLook)) yield;
  }
  return encoded;
}

/** The size of up to `keysPerLook` keys as fields. */
const sizeOfSome = (keys: readonly string[], first: number): number => {
  const end = Math.min(keys.length, first + keysPerLook);
  let size = 0;
  for (let n = first; n < end; n++) size += fieldSize(keys[n]?.length ?? 0);
  return size;
};

/** Writes up to `keysPerLook` keys as fields. @returns where the next field begins */
const writeSome = (keys: readonly string[], first: number, target: Buffer, from: number): number => {
  const end = Math.min(keys.length, first + keysPerLook);
  let at = from;
  for (let n = first; n < end; n++) {
    const key = keys[n] ?? "";
    target[at++] = keysTag;
    at = writeNumber(target, at, key.length);
    at += target.write(key, at, "latin1");
  }
  return at;
};

/** Decodes what `encodedLeaseKeys` gives, key by key. */
export function* decodeLeaseKeys(encoded: Uint8Array): Generator<string> {
  const reader = new BinaryReader(encoded);
  while (reader.pos < reader.len) {
    reader.uint32(); // the tag: there is no other field
    const key = reader.bytes();
    yield Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");
  }
}
