// Ranges whose end is before their key.

const isOpenEnd = (end: Uint8Array): boolean => end.length === 1 && end[0] === 0;

/** Tells whether a request has a range, at any depth, that ends before its key, and so contains no key. */
export function hasBackwardsRange(request: unknown): boolean {
  if (typeof request !== "object" || request === null || request instanceof Uint8Array) return false;
  if (Array.isArray(request)) return request.some(hasBackwardsRange);
  const { key, rangeEnd } = request as { key?: unknown; rangeEnd?: unknown };
  if (key instanceof Uint8Array && rangeEnd instanceof Uint8Array && rangeEnd.length > 0 && !isOpenEnd(rangeEnd))
    if (Buffer.compare(key, rangeEnd) >= 0) return true;
  return Object.values(request).some(hasBackwardsRange);
}
