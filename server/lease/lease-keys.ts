import { BinaryReader } from "@bufbuild/protobuf/wire";
import type { Sliced } from "../../store/index.js";
import { encodeParts, type IsTired } from "../rpc/index.js";

/** The field `keys` of etcdserverpb.LeaseTimeToLiveResponse: number 5, with a length. */
const keysTag = (5 << 3) | 2;
const keysPerLook = 50;

/** Encodes the field `keys` of a LeaseTimeToLiveResponse, in slices. @param keys the keys, one character per byte */
export function* encodedLeaseKeys(keys: readonly string[], isTired: IsTired): Sliced<Uint8Array> {
  const items: Uint8Array[] = [];
  for (const key of keys) {
    items.push(Buffer.from(key, "latin1"));
    if (items.length % keysPerLook === 0 && isTired(keysPerLook)) yield;
  }
  return yield* encodeParts([{ tag: keysTag, items }], isTired);
}

/** Decodes what `encodedLeaseKeys` gives, key by key. */
export function* decodedLeaseKeys(encoded: Uint8Array): Generator<string> {
  const reader = new BinaryReader(encoded);
  while (reader.pos < reader.len) {
    reader.uint32(); // the tag: there is no other field
    const key = reader.bytes();
    yield Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");
  }
}
