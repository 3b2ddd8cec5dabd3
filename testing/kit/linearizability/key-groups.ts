// Divides a history into groups without common keys. Operations of different groups do not depend on each other.

import { type History, type KeySpan, latin1, type Operation, spansOf } from "./operation.js";

/** The operations on some keys, and the leases of these keys. */
export interface KeyGroup {
  readonly operations: readonly Operation[];
  /** Whether a key belongs to this group. */
  readonly has: (key: string) => boolean;
}

/** Disjoint sets (union-find) of keys, which are numbered. */
class Sets {
  private readonly parents: number[];

  constructor(count: number) {
    this.parents = Array.from({ length: count }, (_, at) => at);
  }

  rootOf(member: number): number {
    let root = member;
    for (let parent = this.parents[root]; parent !== undefined && parent !== root; parent = this.parents[root])
      root = parent;
    this.parents[member] = root;
    return root;
  }

  join(one: number, other: number): void {
    this.parents[this.rootOf(one)] = this.rootOf(other);
  }
}

/** Divides the operations of a history into groups that have no key in common. */
export const keyGroups = ({ operations, startKeys }: History): readonly KeyGroup[] => {
  const spans = operations.map(spansOf);
  const singles = spans.flat().map(({ from }) => from);
  const keys = [...new Set([...singles, ...startKeys.map(({ key }) => latin1(key))])].sort(compareKeys);
  const sets = new Sets(keys.length);
  const touched = spans.map((each) => each.map((span) => indexesOf(keys, span)));
  for (const ranges of touched) {
    const [first] = ranges.find(([begin, end]) => begin < end) ?? [];
    if (first === undefined) continue;
    for (const [begin, end] of ranges) for (let at = begin; at < end; at++) sets.join(at, first);
  }
  const numbers = new Map(keys.map((key, at) => [key, at]));
  const byRoot = new Map<number, Operation[]>();
  for (const [at, operation] of operations.entries()) {
    const [first] = touched[at]?.find(([begin, end]) => begin < end) ?? [];
    const root = first === undefined ? -1 : sets.rootOf(first);
    const group = byRoot.get(root);
    if (group === undefined) byRoot.set(root, [operation]);
    else group.push(operation);
  }
  const rootOfKey = (key: string): number => {
    const number = numbers.get(key);
    return number === undefined ? -1 : sets.rootOf(number);
  };
  return [...byRoot].map(([root, group]) => ({ operations: group, has: (key) => rootOfKey(key) === root }));
};

const compareKeys = (one: string, other: string): number => (one < other ? -1 : 1);

/** Returns the positions of a span's keys: from the first, up to but excluding the second. */
const indexesOf = (keys: readonly string[], { from, to }: KeySpan): readonly [number, number] => {
  const begin = firstFrom(keys, from);
  if (to === undefined) return [begin, keys[begin] === from ? begin + 1 : begin];
  return [begin, to === "\0" ? keys.length : Math.max(begin, firstFrom(keys, to))];
};

/** Returns the position of the first key that is not below `key`. */
const firstFrom = (keys: readonly string[], key: string): number => {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (String(keys[middle]) < key) low = middle + 1;
    else high = middle;
  }
  return low;
};
