/** The Castagnoli polynomial, bits reversed. */
const polynomial = 0x82f63b78;

/** The entry tables[k][b] is the change of the sum by byte `b` followed by k zero bytes. */
const tables = makeTables();

function makeTables(): readonly Int32Array[] {
  const first = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let sum = byte;
    for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ polynomial : sum >>> 1;
    first[byte] = sum;
  }
  const all = [first];
  for (let k = 1; k < 8; k++) {
    const previous = all[k - 1] ?? first;
    all.push(previous.map((sum) => (sum >>> 8) ^ Number(first[sum & 0xff])));
  }
  return all;
}

/**
 * Returns the CRC-32C, the checksum of etcd's HashKV and of bbolt images. Eight bytes per step.
 *
 * @param sum the checksum of the bytes before
 */
export function crc32c(bytes: Uint8Array, sum = 0): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as readonly [T, T, T, T, T, T, T, T];
  const end = bytes.length;
  const lastStep = end - 8;
  let crc = ~sum;
  let at = 0;
  for (; at <= lastStep; at += 8) {
    const low =
      crc ^
      (byteAt(bytes, at) |
        (byteAt(bytes, at + 1) << 8) |
        (byteAt(bytes, at + 2) << 16) |
        (byteAt(bytes, at + 3) << 24));
    crc =
      sumAt(t7, low & 0xff) ^
      sumAt(t6, (low >>> 8) & 0xff) ^
      sumAt(t5, (low >>> 16) & 0xff) ^
      sumAt(t4, low >>> 24) ^
      sumAt(t3, byteAt(bytes, at + 4)) ^
      sumAt(t2, byteAt(bytes, at + 5)) ^
      sumAt(t1, byteAt(bytes, at + 6)) ^
      sumAt(t0, byteAt(bytes, at + 7));
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ sumAt(t0, (crc ^ byteAt(bytes, at)) & 0xff);
  return ~crc >>> 0;
}

type T = Int32Array;

// Read elements that exist; `Number` costs nothing in compiled code. One function per kind of array: a common one would check the kind
// at every access.
const byteAt = (bytes: Uint8Array, index: number): number => Number(bytes[index]);
const sumAt = (table: T, index: number): number => Number(table[index]);
