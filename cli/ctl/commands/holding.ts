// Waits for a lock or a leadership, and holds it until the program is stopped or the lock or leadership is lost.
import { once } from "node:events";
import { EtcdError, type GetResult, LeaseLostError } from "../../../client/index.js";
import { exitCodes, Failure, type Io, warningsOf } from "../args/index.js";
import type { Session } from "./session.js";

/** A lock or a leadership, with the function that gives it up. */
export interface HeldKey {
  readonly key: Uint8Array;
  /** Aborted when the lease, and so the lock or leadership, is lost. */
  readonly lossSignal: AbortSignal;
  readonly giveUp: () => Promise<void>;
}

/** Reads the flag `--ttl`: 0 and less stand for the session's default, as in etcdctl. */
export const ttlSecondsOf = (ttl: number): number | undefined => (ttl > 0 ? ttl : undefined);

/**
 * Waits for a lock or a leadership.
 *
 * @param loss the message if the lease is lost
 * @throws Failure if the program is stopped meanwhile, or the lease is lost
 */
export async function whenObtained<Result>(waiting: Promise<Result>, stop: AbortSignal, loss: string): Promise<Result> {
  try {
    return await waiting;
  } catch (error) {
    if (error instanceof EtcdError && stop.aborted) throw cancellationFailure();
    if (error instanceof LeaseLostError) throw new Failure(exitCodes.error, loss);
    throw error;
  }
}

/** Returns the failure of a command that a signal ended, in Go's words. */
export const cancellationFailure = (): Failure => new Failure(exitCodes.error, "context canceled");

/** Does work under a lock or a leadership, then gives it up, also if the work fails. */
export async function workWhileHolding(heldKey: HeldKey, io: Io, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    try {
      await heldKey.giveUp();
    } catch (second) {
      if (!(second instanceof EtcdError)) throw second;
      for (const warning of [...warningsOf(second), second.message]) io.note(`Warning: ${warning}`);
    }
    throw error;
  }
  await heldKey.giveUp();
}

/** Reads the key of the lock or leadership. @throws Failure if the key has been deleted */
export async function keyOf(heldKey: HeldKey, { client, limits }: Session): Promise<GetResult> {
  const result = await client.kv.get(heldKey.key, limits);
  if (result.kvs.length === 0) throw new Failure(exitCodes.error, "lock lost on init");
  return result;
}

/** Waits until the program is stopped. @throws Failure if the lease is lost first */
export async function whenStopped({ lossSignal }: HeldKey, stop: AbortSignal, loss: string): Promise<void> {
  const either = AbortSignal.any([lossSignal, stop]);
  if (!either.aborted) await once(either, "abort");
  if (!stop.aborted) throw new Failure(exitCodes.error, loss);
}
