// The encoding of mvccpb.KeyValue that Go's protobuf writes: fields in order, zero fields left out. HashKV hashes these bytes, so they
// must be the same on all members and in etcd. The code is written by hand, because it runs for each put and generated code is slower.

import { type Key, keyFromBytes, type LeaseId, leaseIdFrom, noLease, type Revision } from "../base/index.js";

/** The metadata of a key after one change. */
export interface KeyState {
  readonly mod: Revision;
  /** The place of a put among the changes of its revision, from 0. A deletion has 0 here; its place is in the history of the index. */
  readonly sub: number;
  /** The revision of the put that created the key. 0: the key is deleted. */
  readonly create: Revision;
  /** The number of puts since the key was created, that put included. 0: the key is deleted. */
  readonly version: number;
  readonly lease: LeaseId;
}

/** Tells whether a change is a deletion. */
export const isTombstone = (state: KeyState): boolean => state.version === 0;

/** Returns the metadata of deleted keys: one object for all keys that a revision deletes. */
export const tombstoneOf = (mod: Revision): KeyState => ({
  mod,
  sub: 0,
  create: 0 as Revision,
  version: 0,
  lease: noLease,
});

/** The metadata of a deleted key as it is on disk: a KeyValue with only a key, all other fields zero. */
export const onlyKey: KeyState = tombstoneOf(0 as Revision);

const keyTag = 0x0a;
const createTag = 0x10;
const modTag = 0x18;
const versionTag = 0x20;
const valueTag = 0x2a;
const leaseTag = 0x30;

/** An empty value. */
export const noBytes = new Uint8Array(0);

/** Encodes a KeyValue into newly allocated memory. */
export function encodeKeyValue(key: Key, state: KeyState, value: Uint8Array): Uint8Array {
  const target = Buffer.allocUnsafe(keyValueSizeOf(key, state, value));
  writeKeyValue(target, 0, key, state, value);
  return target;
}

/** Returns the length of an encoded KeyValue in bytes. */
export function keyValueSizeOf(key: Key, { create, mod, version, lease }: KeyState, value: Uint8Array): number {
  return (
    bytesFieldSizeOf(key.length) +
    counterFieldSizeOf(create) +
    counterFieldSizeOf(mod) +
    counterFieldSizeOf(version) +
    (value.length === 0 ? 0 : bytesFieldSizeOf(value.length)) +
    (lease === noLease ? 0 : 1 + bitsSizeOf(bitsOf(lease)))
  );
}

/** Encodes a KeyValue into `target` from `start` on, where `keyValueSizeOf` bytes must be free. */
export function writeKeyValue(target: Buffer, start: number, key: Key, state: KeyState, value: Uint8Array): void {
  const { create, mod, version, lease } = state;
  let at = writeCounter(target, keyTag, key.length, start);
  at = writeKey(target, key, at);
  if (create !== 0) at = writeCounter(target, createTag, create, at);
  if (mod !== 0) at = writeCounter(target, modTag, mod, at);
  if (version !== 0) at = writeCounter(target, versionTag, version, at);
  if (value.length !== 0) {
    at = writeCounter(target, valueTag, value.length, at);
    target.set(value, at);
    at += value.length;
  }
  if (lease !== noLease) writeBits(target, leaseTag, bitsOf(lease), at);
}

const bitsOf = (lease: LeaseId): bigint => BigInt.asUintN(64, lease);

/** Returns the length of the KeyValue of a deleted key, as it is on disk. */
export const tombstoneSizeOf = (key: Key): number => bytesFieldSizeOf(key.length);

/** Writes the KeyValue of a deleted key: the same bytes as `encodeKeyValue` with `onlyKey`. */
export function writeTombstone(target: Buffer, key: Key, at: number): void {
  writeKey(target, key, writeCounter(target, keyTag, key.length, at));
}

/** The fields of a KeyValue, except for its value. */
export interface DecodedKeyValue {
  readonly key: Key;
  readonly state: KeyState;
}

/**
 * Decodes a KeyValue in `[start, end)` of `bytes`, except for its value.
 *
 * @param sub the place of the change in its revision, which the encoding does not contain
 */
export function decodeKeyValue(bytes: Uint8Array, sub: number, start = 0, end = bytes.length): DecodedKeyValue {
  const cursor = new KeyValueReader(bytes, start, end);
  const key = cursor.skipTo(keyTag) ? cursor.readKey() : "";
  const create = (cursor.skipTo(createTag) ? cursor.readCounter() : 0) as Revision;
  const mod = (cursor.skipTo(modTag) ? cursor.readCounter() : 0) as Revision;
  const version = cursor.skipTo(versionTag) ? cursor.readCounter() : 0;
  if (cursor.skipTo(valueTag)) cursor.skipBytes();
  const lease = cursor.skipTo(leaseTag) ? leaseIdFrom(cursor.readBits()) : noLease;
  cursor.expectEnd();
  return { key, state: { mod, sub, create, version, lease } };
}

/** Returns a view of the value inside an encoded KeyValue. */
export function valueOf(bytes: Uint8Array): Uint8Array {
  const cursor = openBeforeValue(bytes);
  return cursor.skipTo(valueTag) ? cursor.readBytes() : noBytes;
}

/** Returns a view of an encoded KeyValue without its value and its lease, as `keys_only` asks for. */
export const keyAndRevisionsOf = (bytes: Uint8Array): Uint8Array => bytes.subarray(0, openBeforeValue(bytes).position);

/** Whether the KeyValue has only a key, so that it is a deletion on disk. */
export const isOnlyKey = (state: KeyState): boolean =>
  state.create === 0 && state.mod === 0 && state.version === 0 && state.lease === noLease;

function openBeforeValue(bytes: Uint8Array): KeyValueReader {
  const cursor = new KeyValueReader(bytes);
  if (cursor.skipTo(keyTag)) cursor.skipBytes();
  for (const tag of [createTag, modTag, versionTag]) if (cursor.skipTo(tag)) cursor.readCounter();
  return cursor;
}

/** Reads fields in the canonical order. The bytes have passed a checksum, so fields in another form are a bug of the writing code. */
class KeyValueReader {
  constructor(
    private readonly source: Uint8Array,
    public position = 0,
    private readonly limit = source.length,
  ) {}

  /** Skips the tag of the next field if it is `tag`. @returns whether it is */
  skipTo(tag: number): boolean {
    if (this.position >= this.limit || this.source[this.position] !== tag) return false;
    this.position += 1;
    return true;
  }

  readCounter(): number {
    let result = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.source[this.position++];
      if (byte === undefined) throw new RangeError("KeyValue ends within a number");
      result += (byte & 0x7f) * scale;
      if (byte < 0x80) return result;
    }
  }

  readBits(): bigint {
    let result = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.source[this.position++];
      if (byte === undefined) throw new RangeError("KeyValue ends within a number");
      result |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, result);
    }
  }

  readBytes(): Uint8Array {
    const start = this.skipBytes();
    return this.source.subarray(start, this.position);
  }

  readKey(): Key {
    const start = this.skipBytes();
    return keyFromBytes(this.source, start, this.position);
  }

  /** Skips a field of bytes, whose length comes first. @returns the offset of its first byte */
  skipBytes(): number {
    const length = this.readCounter();
    const start = this.position;
    this.position += length;
    if (this.position > this.limit) throw new RangeError("KeyValue ends within a field");
    return start;
  }

  expectEnd(): void {
    if (this.position !== this.limit) throw new RangeError("KeyValue has an unknown field");
  }
}

function counterSizeOf(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size += 1;
  return size;
}

function bitsSizeOf(bits: bigint): number {
  let size = 1;
  for (let rest = bits; rest >= 128n; rest >>= 7n) size += 1;
  return size;
}

const bytesFieldSizeOf = (length: number): number => 1 + counterSizeOf(length) + length;
const counterFieldSizeOf = (value: number): number => (value === 0 ? 0 : 1 + counterSizeOf(value));

/** Keys up to this length are copied byte by byte: for them a call of `Buffer.write` takes longer than the copy. */
const maxInlineKey = 64;

function writeKey(target: Buffer, key: Key, at: number): number {
  if (key.length > maxInlineKey) return at + target.write(key, at, "latin1");
  for (let n = 0; n < key.length; n++) target[at + n] = key.charCodeAt(n);
  return at + key.length;
}

function writeCounter(target: Uint8Array, tag: number, value: number, start: number): number {
  let at = start;
  target[at++] = tag;
  let rest = value;
  // Numbers beyond 31 bits need division; below, bit operations are several times faster.
  for (; rest > 0x7fff_ffff; rest = Math.floor(rest / 128)) target[at++] = (rest % 128) | 0x80;
  for (; rest >= 128; rest >>>= 7) target[at++] = (rest & 0x7f) | 0x80;
  target[at++] = rest;
  return at;
}

function writeBits(target: Uint8Array, tag: number, bits: bigint, start: number): void {
  let at = start;
  target[at++] = tag;
  let rest = bits;
  for (; rest >= 128n; rest >>= 7n) target[at++] = Number(rest & 0x7fn) | 0x80;
  target[at] = Number(rest);
}
