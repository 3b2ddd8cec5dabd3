// All keys of an interval at one revision, page by page.
import { type Clock, ConnectError, EtcdError, retryUntil } from "../transport/index.js";
import type { GetResult, Kv } from "../kv/index.js";

/** Keys of one request: large enough to be few requests, small enough not to hold up others. */
const pageKeys = 1_000;

/** An interval to list, and at which revision. */
export interface ListingOptions {
  readonly key: Uint8Array;
  /** Empty: only `key`. A zero byte: no end. */
  readonly rangeEnd: Uint8Array;
  readonly keysOnly: boolean;
  /** 0: the newest. */
  readonly revision: number;
  /** Ends the listing with an EtcdError "cancelled". */
  readonly signal: AbortSignal;
}

/** The services that a listing uses. */
export interface ListingServices {
  readonly kv: Kv;
  readonly clock: Clock;
}

/**
 * Yields the pages of a listing, all at one revision: the one of the first page's header if none is given. Waits while no server is
 * there.
 *
 * @param onUnreachable called each time that no server could be connected to
 * @throws EtcdError "out-of-range" if the revision is compacted, at first or meanwhile
 */
export async function* pagesOf(
  { kv, clock }: ListingServices,
  { key, rangeEnd, keysOnly, revision: wanted, signal }: ListingOptions,
  onUnreachable: (error: ConnectError) => void,
): AsyncGenerator<GetResult, void, void> {
  let from = key;
  let revision = wanted;
  for (;;) {
    const options = { rangeEnd: rangeEnd.length === 0 ? undefined : rangeEnd, limit: pageKeys, keysOnly, revision };
    const page = await retryUntil(clock, { signal }, async (limits) => {
      try {
        return await kv.get(from, { ...options, ...limits });
      } catch (error) {
        if (error instanceof ConnectError) onUnreachable(error);
        throw error;
      }
    });
    revision ||= page.header.revision;
    yield page;
    const last = page.kvs.at(-1);
    if (!page.more || last === undefined) return;
    from = new Uint8Array([...last.key, 0]);
  }
}

/** Whether a request failed because its revision has been compacted. Under the same code a revision may also be a future one. */
export const isCompacted = (error: unknown): boolean =>
  error instanceof EtcdError && error.code === "out-of-range" && error.message.includes("compacted");
