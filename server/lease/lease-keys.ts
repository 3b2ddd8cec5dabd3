import { BinaryReader } from "@bufbuild/protobuf/wire";
import { writeNumber } from "../../proto/index.js";
import type { Sliced, ShouldYield } from "../../store/index.js";
import { fieldSize } from "../rpc/index.js";

/** The tag of the field `keys` of etcdserverpb.LeaseTimeToLiveResponse: number 5, with a length. */
const keysTag = (5 << 3) | 2;
const keysPerLook = 50;

/**
 * Encodes the field `keys` of a LeaseTimeToLiveResponse, in slices: adds up the lengths first, then writes all keys into one
 * buffer. A buffer per key would be garbage whose collection delays the member by many milliseconds, with tens of thousands of
 * keys.
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

/** Returns the size of up to `keysPerLook` keys as fields. */
const sizeOfSome = (keys: readonly string[], first: number): number => {
  const end = Math.min(keys.length, first + keysPerLook);
  let size = 0;
  for (let n = first; n < end; n++) size += fieldSize(keys[n]?.length ?? 0);
  return size;
};

/** Writes up to `keysPerLook` keys as fields. @returns the offset of the next field */
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

/** Decodes the result of `encodeLeaseKeys`, key by key. */
export function* decodeLeaseKeys(encoded: Uint8Array): Generator<string> {
  const reader = new BinaryReader(encoded);
  while (reader.pos < reader.len) {
    reader.uint32(); // the tag: there is no other field
    const key = reader.bytes();
    yield Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");
  }
}
