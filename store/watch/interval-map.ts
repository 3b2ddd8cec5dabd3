import type { Interval, Key } from "../base/index.js";

/** The end of an interval without an end: greater than every key, as the characters of keys are bytes. */
const beyondAllKeys = "\u0100";

/** The values of one interval, and two subtrees: of smaller intervals and of greater ones, by start, then by end. */
interface Node<T> {
  readonly from: Key;
  readonly to: Key;
  readonly values: Set<T>;
  readonly left: Node<T> | undefined;
  readonly right: Node<T> | undefined;
  readonly height: number;
  /** The greatest end of the intervals in this subtree. */
  readonly maxTo: Key;
}

/**
 * Finds the intervals that contain a key. An interval tree: an AVL tree in the order of the intervals' starts, in which each node has the
 * greatest end of its subtree. A sorted list of boundaries would be as fast, but with n overlapping intervals it has n² entries, and
 * clients choose the intervals. A change copies the nodes on one path; only a node's set of values changes in place.
 */
export class IntervalMap<T> {
  private root: Node<T> | undefined = undefined;

  /** Adds a value under an interval. */
  add(interval: Interval, value: T): void {
    this.root = addTo(this.root, interval, value);
  }

  /** Removes a value from an interval. */
  delete(interval: Interval, value: T): void {
    this.root = removeFrom(this.root, interval, value);
  }

  /** Appends the values of all intervals that contain `key` to `found`. */
  find(key: Key, found: T[]): void {
    search(this.root, key, found);
  }
}

const endOf = ({ to }: Interval): Key => to ?? beyondAllKeys;

function search<T>(node: Node<T> | undefined, key: Key, found: T[]): void {
  if (node === undefined || node.maxTo <= key) return;
  search(node.left, key, found);
  if (node.from > key) return;
  if (node.to > key) for (const value of node.values) found.push(value);
  search(node.right, key, found);
}

function addTo<T>(node: Node<T> | undefined, interval: Interval, value: T): Node<T> {
  if (node === undefined) {
    const to = endOf(interval);
    return {
      from: interval.from,
      to,
      values: new Set([value]),
      left: undefined,
      right: undefined,
      height: 1,
      maxTo: to,
    };
  }
  const order = compare(interval, node);
  if (order < 0) return balance(node, addTo(node.left, interval, value), node.right);
  if (order > 0) return balance(node, node.left, addTo(node.right, interval, value));
  node.values.add(value);
  return node;
}

function removeFrom<T>(node: Node<T> | undefined, interval: Interval, value: T): Node<T> | undefined {
  if (node === undefined) return undefined;
  const order = compare(interval, node);
  if (order < 0) return balance(node, removeFrom(node.left, interval, value), node.right);
  if (order > 0) return balance(node, node.left, removeFrom(node.right, interval, value));
  node.values.delete(value);
  return node.values.size > 0 ? node : joinTrees(node.left, node.right);
}

function compare<T>(interval: Interval, { from, to }: Node<T>): number {
  if (interval.from !== from) return interval.from < from ? -1 : 1;
  const end = endOf(interval);
  if (end === to) return 0;
  return end < to ? -1 : 1;
}

/** Joins two trees; all intervals of `left` are smaller than those of `right`. */
function joinTrees<T>(left: Node<T> | undefined, right: Node<T> | undefined): Node<T> | undefined {
  if (right === undefined) return left;
  const { first, rest } = splitFirst(right);
  return balance(first, left, rest);
}

/** Splits a tree into its first node and a tree of all others. */
function splitFirst<T>(node: Node<T>): { readonly first: Node<T>; readonly rest: Node<T> | undefined } {
  if (node.left === undefined) return { first: node, rest: node.right };
  const { first, rest } = splitFirst(node.left);
  return { first, rest: balance(node, rest, node.right) };
}

/** Returns `node` with two subtrees whose heights differ by at most two, rotated so that they differ by at most one. */
function balance<T>(node: Node<T>, left: Node<T> | undefined, right: Node<T> | undefined): Node<T> {
  if (left !== undefined && left.height > heightOf(right) + 1) {
    const inner = left.right;
    if (inner === undefined || heightOf(left.left) >= inner.height)
      return joinUnder(left, left.left, joinUnder(node, inner, right));
    return joinUnder(inner, joinUnder(left, left.left, inner.left), joinUnder(node, inner.right, right));
  }
  if (right !== undefined && right.height > heightOf(left) + 1) {
    const inner = right.left;
    if (inner === undefined || heightOf(right.right) >= inner.height)
      return joinUnder(right, joinUnder(node, left, inner), right.right);
    return joinUnder(inner, joinUnder(node, left, inner.left), joinUnder(right, inner.right, right.right));
  }
  return joinUnder(node, left, right);
}

/** Returns a copy of `node` with two subtrees. */
function joinUnder<T>({ from, to, values }: Node<T>, left: Node<T> | undefined, right: Node<T> | undefined): Node<T> {
  let maxTo = to;
  if (left !== undefined && left.maxTo > maxTo) maxTo = left.maxTo;
  if (right !== undefined && right.maxTo > maxTo) maxTo = right.maxTo;
  return { from, to, values, left, right, height: 1 + Math.max(heightOf(left), heightOf(right)), maxTo };
}

const heightOf = <T>(node: Node<T> | undefined): number => node?.height ?? 0;
