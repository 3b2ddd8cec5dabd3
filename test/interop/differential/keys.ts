// Keys, intervals of keys, and values.
import fc from "fast-check";
import { choose, seldom } from "./chance.js";

export const empty = new Uint8Array(0);
export const zero = Uint8Array.of(0);

const bytes = (...texts: string[]) =>
  fc.constantFrom(...texts.map((text) => new Uint8Array(Buffer.from(text, "latin1"))));

/** Keys that exist. At most twelve: etcd sorts up to twelve stably, so that the order of equal ones is defined. */
export const knownKey = choose(
  [3, bytes("a", "b", "aa", "ab", "\0", "\xff")],
  [1, bytes("a\0", "a\xff", "ba", "c", "\0\0", "\xff\xff")],
);
export const key = choose([80, knownKey], [1, fc.constant(empty)]);

export interface Interval {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
}
export const one = fc.record<Interval>({ key, rangeEnd: fc.constant(empty) });
const end = choose([4, knownKey], [1, bytes("\xff\xff\xff", "a\x01", "\x01", "d")]);
export const some = fc
  .record({ key, rangeEnd: end, backwards: seldom(6) })
  .map<Interval>(({ key, rangeEnd, backwards }) => {
    const forwards = Buffer.compare(key, rangeEnd) < 0;
    return forwards === backwards ? { key: rangeEnd, rangeEnd: key } : { key, rangeEnd };
  });
/** Intervals without the range end "\0", which stands for an open end. */
export const bounded = some.filter(({ rangeEnd }) => Buffer.compare(rangeEnd, zero) !== 0);
export const from = fc.record<Interval>({ key, rangeEnd: fc.constant(zero) });
export const everything: Interval = { key: zero, rangeEnd: zero };
export const all = fc.constant(everything);
export const interval = choose([3, one], [5, some], [3, from], [10, all]);

export const value = choose([3, bytes("1")], [6, bytes("", "1", "2", "3")], [1, bytes("\0", "\xff\xfe", "22")]);
