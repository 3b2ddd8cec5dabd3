/**
 * Counts the changes of the whole store: 1 while it is empty, +1 for each request that changes keys. Not a log index: an entry that
 * changes no key does not increase it.
 */
export type Revision = number & { readonly __unit: "revision" };

/** The revision of a store that has never held a key. */
export const firstRevision = 1 as Revision;

/** The compact revision of a store that was never compacted, as etcd shows it. */
export const neverCompacted = -1 as Revision;

/** Returns the revision after this one. */
export const nextRevision = (revision: Revision): Revision => (revision + 1) as Revision;
