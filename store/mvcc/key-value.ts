// mvccpb.KeyValue in its canonical encoding, the one Go's protobuf writes: fields in order, zero fields left out. Members
// and real etcd agree on these bytes, so HashKV does. Written by hand: this runs for each put, generated code is slower.

import { type Key, keyFromBytes, type LeaseId, leaseIdFrom, noLease, type Revision } from "../base/index.js";

/** The metadata of a key after one change. */
export interface KeyState {
  readonly mod: Revision;
  /** Place of the change among those of its revision, from 0. Of a deletion only the index knows it: 0 here. */
  readonly sub: number;
  /** The revision of the put that created it. 0: deleted. */
  readonly create: Revision;
  /** Puts since it was created. 0: deleted. */
  readonly version: number;
  readonly lease: LeaseId;
}

/** Tells whether a change is a deletion. */
export const isTombstone = (state: KeyState): boolean => state.version === 0;

/** The metadata of keys after their deletion: one object for all keys that a revision deletes. */
export const tombstoneOf = (mod: Revision): KeyState => ({
  mod,
  sub: 0,
  create: 0 as Revision,
  version: 0,
  lease: noLease,
});

/** A key is on disk as a KeyValue with everything but itself zero when it was deleted. */
export const onlyKey: KeyState = tombstoneOf(0 as Revision);

const keyTag = 0x0a;
const createTag = 0x10;
const modTag = 0x18;
const versionTag = 0x20;
const valueTag = 0x2a;
const leaseTag = 0x30;

/** An empty value. */
export const noBytes = new Uint8Array(0);

/** Encodes a KeyValue, in memory of its own. */
export function encodeKeyValue(key: Key, state: KeyState, value: Uint8Array): Uint8Array {
  const target = Buffer.allocUnsafe(keyValueSize(key, state, value));
  writeKeyValue(target, 0, key, state, value);
  return target;
}

/** The bytes that an encoded KeyValue takes. */
export function keyValueSize(key: Key, { create, mod, version, lease }: KeyState, value: Uint8Array): number {
  return (
    bytesFieldSize(key.length) +
    counterFieldSize(create) +
    counterFieldSize(mod) +
    counterFieldSize(version) +
    (value.length === 0 ? 0 : bytesFieldSize(value.length)) +
    (lease === noLease ? 0 : 1 + bitsSize(bitsOf(lease)))
  );
}

/** Encodes a KeyValue into memory that has `keyValueSize` bytes from `start` on. */
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

/** Length of the KeyValue of a key that was deleted, as it is on disk. */
export const tombstoneSizeOf = (key: Key): number => bytesFieldSize(key.length);

/** Writes the KeyValue of a key that was deleted, as `encodeKeyValue` encodes `onlyKey`. */
export function writeTombstone(target: Buffer, key: Key, at: number): void {
  writeKey(target, key, writeCounter(target, keyTag, key.length, at));
}

/** A KeyValue taken apart. */
export interface DecodedKeyValue {
  readonly key: Key;
  readonly state: KeyState;
}

/** Reads a canonical KeyValue, all of `bytes` or a part, except for its value. `sub` is not in it: its place tells. */
export function decodeKeyValue(bytes: Uint8Array, sub: number, start = 0, end = bytes.length): DecodedKeyValue {
  const cursor = new Cursor(bytes, start, end);
  const key = cursor.skipTo(keyTag) ? cursor.readKey() : "";
  const create = (cursor.skipTo(createTag) ? cursor.readCounter() : 0) as Revision;
  const mod = (cursor.skipTo(modTag) ? cursor.readCounter() : 0) as Revision;
  const version = cursor.skipTo(versionTag) ? cursor.readCounter() : 0;
  if (cursor.skipTo(valueTag)) cursor.skipBytes();
  const lease = cursor.skipTo(leaseTag) ? leaseIdFrom(cursor.readBits()) : noLease;
  cursor.expectEnd();
  return { key, state: { mod, sub, create, version, lease } };
}

/** The value inside an encoded KeyValue, not copied. */
export function valueOf(bytes: Uint8Array): Uint8Array {
  const cursor = openBeforeValue(bytes);
  return cursor.skipTo(valueTag) ? cursor.readBytes() : noBytes;
}

/** The same KeyValue without its value and its lease, as `keys_only` asks for. */
export const keyAndRevisionsOf = (bytes: Uint8Array): Uint8Array => bytes.subarray(0, openBeforeValue(bytes).position);

/** Whether the KeyValue has only a key, as that of a delete does. */
export const isOnlyKey = (state: KeyState): boolean =>
  state.create === 0 && state.mod === 0 && state.version === 0 && state.lease === noLease;

function openBeforeValue(bytes: Uint8Array): Cursor {
  const cursor = new Cursor(bytes);
  if (cursor.skipTo(keyTag)) cursor.skipBytes();
  for (const tag of [createTag, modTag, versionTag]) if (cursor.skipTo(tag)) cursor.readCounter();
  return cursor;
}

/** Reads canonical fields in order. What it meets has passed a checksum, so anything else is our own mistake. */
class Cursor {
  constructor(
    private readonly source: Uint8Array,
    public position = 0,
    private readonly limit = source.length,
  ) {}

  /** Whether the next field is `tag`; if so, stands behind the tag. */
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

  /** @returns the place of the first of the bytes */
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

function counterSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size += 1;
  return size;
}

function bitsSize(bits: bigint): number {
  let size = 1;
  for (let rest = bits; rest >= 128n; rest >>= 7n) size += 1;
  return size;
}

const bytesFieldSize = (length: number): number => 1 + counterSize(length) + length;
const counterFieldSize = (value: number): number => (value === 0 ? 0 : 1 + counterSize(value));

/** A longer key is copied by Node: before that, the call costs more than the copy. */
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
