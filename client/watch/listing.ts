// All keys of an interval at one revision, page by page.
import { type Clock, ConnectError, EtcdError, retryUntil } from "../transport/index.js";
import type { GetResult, Kv } from "../kv/index.js";

/** Keys of one request: many, so that there are few requests, but not so many that the server delays other requests. */
const pageKeys = 1_000;

/** The interval to list, and the revision. */
export interface ListingOptions {
  readonly key: Uint8Array;
  /** The end of the interval. Empty: only `key`. A zero byte: no end. */
  readonly rangeEnd: Uint8Array;
  readonly keysOnly: boolean;
  /** The revision to list; 0: the newest. */
  readonly revision: number;
  /** Aborts the listing, which then fails with an EtcdError "cancelled". */
  readonly signal: AbortSignal;
}

/** The services that a listing uses. */
export interface ListingServices {
  readonly kv: Kv;
  readonly clock: Clock;
}

/**
 * Yields the pages of a listing, all at one revision: without a given revision, the revision of the first page's header. Waits
 * while no server can be reached.
 *
 * @param onUnreachable called after each attempt that could connect to no server
 * @throws EtcdError "out-of-range" if the revision is compacted, at the beginning or meanwhile
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

/** Whether a request failed because its revision has been compacted. The text is checked, because a future revision has the same code. */
export const isCompacted = (error: unknown): boolean =>
  error instanceof EtcdError && error.code === "out-of-range" && error.message.includes("compacted");
