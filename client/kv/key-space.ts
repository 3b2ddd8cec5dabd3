// The keys that a client sees: all keys, or the keys under a prefix, without the prefix.
import { EtcdError } from "../transport/index.js";
import { prefixEnd } from "./keys.js";

/** The part of a request that names one key or an interval. */
interface WireInterval {
  readonly key: Uint8Array;
  /** The end of the interval. Empty: one key. A zero byte: no end. */
  readonly rangeEnd: Uint8Array;
}

/**
 * A key space: adds the prefix to the keys of requests, and removes it from the keys of results.
 *
 * Example with the prefix `app/`: key `a` is `app/a` at the server; the interval from `a` without end is at the server the
 * interval from `app/a` to `app0`, the first key after the prefix.
 *
 * @see etcd, client/v3/namespace
 */
export class KeySpace {
  /** @param prefix prefix of all keys of this space; empty: all keys */
  constructor(readonly prefix: Uint8Array) {}

  /** Returns the key space of a prefix within this one. */
  within(prefix: Uint8Array): KeySpace {
    return new KeySpace(concat(this.prefix, prefix));
  }

  /** Returns the key at the server. @throws EtcdError "invalid-argument" if the key is empty; without a prefix, the server refuses it */
  toAbsolute(key: Uint8Array): Uint8Array {
    if (this.prefix.length === 0) return key;
    if (key.length === 0) throw new EtcdError("invalid-argument", "etcdserver: key is not provided", "failed");
    return concat(this.prefix, key);
  }

  /** Removes the prefix from a key of the server. */
  toRelative(key: Uint8Array): Uint8Array {
    return this.prefix.length === 0 ? key : key.subarray(this.prefix.length);
  }

  /** Whether a key of the server belongs to this key space. */
  has(key: Uint8Array): boolean {
    return Buffer.compare(key.subarray(0, this.prefix.length), this.prefix) === 0;
  }

  /** Returns the request with its interval converted to keys of the server. */
  interval<Request extends WireInterval>(request: Request): Request {
    const { prefix } = this;
    if (prefix.length === 0) return request;
    const { key, rangeEnd } = request;
    const hasEnd = rangeEnd.length !== 1 || rangeEnd[0] !== 0;
    const end = hasEnd ? concat(prefix, rangeEnd) : prefixEnd(prefix);
    return { ...request, key: this.toAbsolute(key), rangeEnd: rangeEnd.length === 0 ? rangeEnd : end };
  }
}

/** All keys of a store. */
export const allKeys = new KeySpace(new Uint8Array(0));

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
