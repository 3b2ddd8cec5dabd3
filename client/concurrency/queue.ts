// Queues that programs share: ordered by arrival, or by priority.
import { EtcdError, type RequestOptions } from "../transport/index.js";
import { type Bytes, type KeyOrder, type KeyValue, toBytes, type TxnOp } from "../kv/index.js";
import type { LineServices } from "./line.js";
import type { WaitOptions } from "./wait-limit.js";
import { readUntil, uniqueName, untilChanged, runWait } from "./waiting.js";

/** Attempts to add an element while other clients add theirs; then the call fails with "aborted". */
const maxAttempts = 100;

const keyUnder = (name: Bytes, rest: string): Uint8Array =>
  new Uint8Array(Buffer.concat([toBytes(name), toBytes(rest)]));

/**
 * A queue under a name, with the layout of etcd's recipes: `<name>/<nanoseconds>`, taken in the order of revisions. Each element
 * is taken once. If a program dies after it has taken an element, the element is lost; use a lock or a transaction if that
 * matters.
 *
 * @see etcd, contrib/recipes: Queue
 */
export class Queue {
  private readonly prefix: Uint8Array;

  constructor(
    private readonly services: LineServices,
    private readonly name: Bytes,
  ) {
    this.prefix = keyUnder(name, "/");
  }

  /** Adds an element at the end. @throws EtcdError with outcome "unknown" if it may have been added */
  async enqueue(value: Bytes, options: RequestOptions = {}): Promise<void> {
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const key = keyUnder(this.name, `/${uniqueName()}`);
      const compare = [{ target: "version", key, is: "=", than: 0 } as const];
      const success = [{ op: "put", key, value } as const];
      if ((await this.services.kv.txn({ compare, success }, options)).succeeded) return;
    }
    throw tooManyConflictsError("add an element");
  }

  /**
   * Takes the first element; waits while there is none.
   *
   * @throws EtcdError "cancelled" or "deadline-exceeded" if waiting is given up; with outcome "unknown" if an element may have
   * been taken
   */
  async dequeue(options: WaitOptions = {}): Promise<Uint8Array> {
    return (await takeFirst(this.services, this.prefix, { sortBy: "modRevision" }, options)).value;
  }
}

/** The number of priorities. */
const priorities = 65_536;

/**
 * A queue whose elements are taken by priority, 0 first; elements of equal priority in the order of arrival. Layout of etcd's
 * recipes:
 * `<name>/<priority, 5 digits>/<number, 16 digits>`.
 *
 * @see etcd, contrib/recipes: PriorityQueue
 */
export class PriorityQueue {
  private readonly prefix: Uint8Array;

  constructor(
    private readonly services: LineServices,
    private readonly name: Bytes,
  ) {
    this.prefix = keyUnder(name, "/");
  }

  /**
   * Adds an element.
   *
   * @throws RangeError if the priority is not an integer from 0 to 65 535; EtcdError with outcome "unknown" if the element may
   * have been added
   */
  async enqueue(value: Bytes, priority: number, options: RequestOptions = {}): Promise<void> {
    if (!Number.isInteger(priority) || priority < 0 || priority >= priorities)
      throw new RangeError(`Cannot enqueue with priority ${priority}: expected 0 to ${priorities - 1}`);
    const path = `/${String(priority).padStart(5, "0")}`;
    const { kv } = this.services;
    const base = new Uint8Array(Buffer.concat([toBytes("__"), keyUnder(this.name, path)]));
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      const newest = { prefix: true, sortBy: "key", order: "descending", limit: 1 } as const;
      const { kvs, header } = await kv.get(keyUnder(this.name, `${path}/`), { ...newest, ...options });
      const key = keyUnder(this.name, `${path}/${String(numberOf(kvs[0]) + 1).padStart(16, "0")}`);
      // Another client may add an element between the two requests, and a third may take it: the base key shows that this has
      // happened.
      const compare = [{ target: "modRevision", key: base, is: "<", than: header.revision + 1 } as const];
      const success = [{ op: "put", key: base, value: "" } as const, { op: "put", key, value } as const];
      if ((await kv.txn({ compare, success }, options)).succeeded) return;
    }
    throw tooManyConflictsError("add an element");
  }

  /** Takes the first element, as `Queue.dequeue` does. */
  async dequeue(options: WaitOptions = {}): Promise<Uint8Array> {
    return (await takeFirst(this.services, this.prefix, { sortBy: "key" }, options)).value;
  }
}

/** Returns the number at the end of a key; -1 without a key. */
const numberOf = (kv: KeyValue | undefined): number =>
  kv === undefined ? -1 : Number(/\d+$/.exec(Buffer.from(kv.key).toString("latin1"))?.[0] ?? -1);

const tooManyConflictsError = (what: string): EtcdError =>
  new EtcdError("aborted", `Could not ${what}: ${maxAttempts} attempts failed because of concurrent changes`, "failed");

async function takeFirst(
  services: LineServices,
  prefix: Uint8Array,
  order: Pick<KeyOrder, "sortBy">,
  options: WaitOptions,
): Promise<KeyValue> {
  return runWait(services, prefix, options, async (signal) => {
    for (;;) {
      const first = { ...order, order: "ascending", prefix: true, limit: 1 } as const;
      const { kvs, header } = await readUntil(services, prefix, first, signal);
      const [kv] = kvs;
      if (kv === undefined) {
        await untilChanged(services, prefix, { prefix: true, only: "put", startRevision: header.revision + 1 }, signal);
        continue;
      }
      const compare = [{ target: "modRevision", key: kv.key, is: "=", than: kv.modRevision } as const];
      const success: TxnOp[] = [{ op: "delete", key: kv.key }];
      // without the signal: if the request were given up, it would be unknown whether the element was taken
      if ((await services.kv.txn({ compare, success })).succeeded) return kv;
    }
  });
}
