import { Elections } from "./elections.js";
import { KeyQueue, type QueueOperations } from "./key-queue.js";
import { Locks } from "./locks.js";

/** etcd's Lock and Election, built from other operations. */
export interface Concurrency {
  readonly locks: Locks;
  readonly elections: Elections;
}

/** Builds locks and elections on the operations of an application, whose wrappers check each step. */
export const createConcurrency = (operations: QueueOperations): Concurrency => {
  const queue = new KeyQueue(operations);
  return { locks: new Locks(operations, queue), elections: new Elections(queue) };
};
