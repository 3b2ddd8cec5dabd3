import type { Interval, Key } from "../base/index.js";

/** Sorts behind every key: the characters of keys are bytes. Where an interval ends that has no end. */
const beyondAllKeys = "\u0100";

/** The values of one interval, and two subtrees: of intervals before it, and of those behind it. */
interface Node<T> {
  readonly from: Key;
  readonly to: Key;
  readonly values: Set<T>;
  readonly left: Node<T> | undefined;
  readonly right: Node<T> | undefined;
  readonly height: number;
  /** Greatest end of the intervals in this subtree. */
  readonly maxTo: Key;
}

/**
 * Finds the intervals that hold a key: an interval tree, an AVL tree by where they begin whose nodes know how far their
 * subtrees reach. A sorted list of boundaries would find as fast, but n intervals that overlap would make n² entries of
 * it, and clients choose the intervals. Nodes never change, so a change copies one path.
 */
export class IntervalMap<T> {
  private root: Node<T> | undefined = undefined;

  add(interval: Interval, value: T): void {
    this.root = addTo(this.root, interval, value);
  }

  delete(interval: Interval, value: T): void {
    this.root = removeFrom(this.root, interval, value);
  }

  /** Adds all that was put under intervals that hold `key` to `found`. */
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

/** Joins two trees whose intervals lie one behind the other. */
function joinTrees<T>(left: Node<T> | undefined, right: Node<T> | undefined): Node<T> | undefined {
  if (right === undefined) return left;
  const { first, rest } = splitFirst(right);
  return balance(first, left, rest);
}

function splitFirst<T>(node: Node<T>): { readonly first: Node<T>; readonly rest: Node<T> | undefined } {
  if (node.left === undefined) return { first: node, rest: node.right };
  const { first, rest } = splitFirst(node.left);
  return { first, rest: balance(node, rest, node.right) };
}

/** `node` over two subtrees whose heights differ by at most two, turned so that they differ by at most one. */
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

function joinUnder<T>({ from, to, values }: Node<T>, left: Node<T> | undefined, right: Node<T> | undefined): Node<T> {
  let maxTo = to;
  if (left !== undefined && left.maxTo > maxTo) maxTo = left.maxTo;
  if (right !== undefined && right.maxTo > maxTo) maxTo = right.maxTo;
  return { from, to, values, left, right, height: 1 + Math.max(heightOf(left), heightOf(right)), maxTo };
}

const heightOf = <T>(node: Node<T> | undefined): number => node?.height ?? 0;
