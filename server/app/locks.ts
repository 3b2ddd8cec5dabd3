import {
  DeleteRangeRequest,
  type LockRequest,
  type LockResponse,
  type UnlockRequest,
  type UnlockResponse,
} from "../../proto/index.js";
import { type Answer, leaseIdFrom } from "../../store/index.js";
import { type Caller, noBytes, ServerError } from "../base/index.js";
import type { KeyQueue, Place, QueueOperations, QueuedCall } from "./key-queue.js";
import { resultOf } from "./result-of.js";

/** etcd's Lock: a queue of keys. The owner of the first key holds the lock. */
export class Locks {
  constructor(
    private readonly operations: Pick<QueueOperations, "deleteRange">,
    private readonly queue: KeyQueue,
  ) {}

  /**
   * Waits until the lock is held. A canceled call leaves the queue.
   *
   * @throws ServerError `session-expired` if the lease expired during the wait
   */
  async lock(call: QueuedCall, { name, lease }: LockRequest): Promise<Answer<LockResponse>> {
    const place = await this.queue.enter(call.caller, name, leaseIdFrom(lease), noBytes);
    try {
      call.signal.throwIfAborted();
      return await this.wait(call, name, place);
    } catch (error) {
      await this.queue.leave(call.caller, place);
      throw error;
    }
  }

  /** Deletes the key of a lock. A missing key is no error, as in etcd. */
  async unlock(caller: Caller, { key }: UnlockRequest): Promise<Answer<UnlockResponse>> {
    const { revision } = await resultOf(this.operations.deleteRange, caller, DeleteRangeRequest.create({ key }));
    return { response: { header: undefined }, revision };
  }

  private async wait(call: QueuedCall, name: Uint8Array, place: Place): Promise<Answer<LockResponse>> {
    const { key } = place;
    const hasWaited = await this.queue.whenFirst(call, name, place);
    if (!hasWaited) return { response: { header: undefined, key }, revision: place.takenAt };
    const { response, revision } = await this.queue.read(call.caller, { key });
    if (response.count === 0n) throw new ServerError("session-expired", "the lease has ended");
    return { response: { header: undefined, key }, revision };
  }
}
