/** The size of a shared piece of memory, for about 200 messages. */
const poolBytes = 16 * 1024;

let pool = new Uint8Array(poolBytes);
let used = 0;

/** Takes memory for a small message from a shared piece. Creating a Buffer costs more than creating a Uint8Array on shared memory. */
export const takeBytes = (length: number): Uint8Array => {
  if (used + length > poolBytes) {
    pool = new Uint8Array(poolBytes);
    used = 0;
  }
  const start = used;
  used += length;
  return new Uint8Array(pool.buffer, start, length);
};
