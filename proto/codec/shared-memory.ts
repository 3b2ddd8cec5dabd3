/** The size of a piece of memory, for about 200 messages. */
const poolBytes = 16 * 1024;

let pool = new Uint8Array(poolBytes);
let used = 0;

/** Takes memory for a small message. A Buffer of Node's costs more than a plain view of memory in common. */
export const takeBytes = (length: number): Uint8Array => {
  if (used + length > poolBytes) {
    pool = new Uint8Array(poolBytes);
    used = 0;
  }
  const start = used;
  used += length;
  return new Uint8Array(pool.buffer, start, length);
};
