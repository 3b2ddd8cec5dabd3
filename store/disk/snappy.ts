/**
 * Decompresses Snappy's format: the length, then literal bytes and copies of earlier output.
 *
 * @throws RangeError if `bytes` are not in that format
 * @see https://github.com/google/snappy/blob/main/format_description.txt
 */
export function decompressSnappy(bytes: Buffer): Buffer {
  let at = 0;
  const readByte = (): number => {
    const value = bytes[at++];
    if (value === undefined) throw new RangeError("compressed data ends too early");
    return value;
  };
  const readLittleEndian = (count: number): number => {
    let value = 0;
    for (let n = 0; n < count; n++) value += readByte() * 256 ** n;
    return value;
  };
  let length = 0;
  for (let scale = 1, more = true; more; scale *= 128) {
    const part = readByte();
    length += (part & 0x7f) * scale;
    more = part >= 0x80 && scale < 2 ** 28;
  }
  const output = Buffer.alloc(Math.min(length, maxRatio * bytes.length));
  let end = 0;
  const copy = (offset: number, count: number): void => {
    if (offset === 0 || offset > end || end + count > output.length) throw new RangeError("compressed data is invalid");
    // Byte by byte, as a copy may overlap its own output: "ab", then 4 bytes from 2 bytes back, gives "ababab".
    for (let n = 0; n < count; n++, end++) output[end] = output[end - offset] ?? 0;
  };
  while (at < bytes.length) {
    const tag = readByte();
    const size = tag >> 2;
    switch (tag & 3) {
      case 0: {
        const count = (size < 60 ? size : readLittleEndian(size - 59)) + 1;
        if (at + count > bytes.length || end + count > output.length)
          throw new RangeError("compressed data is invalid");
        bytes.copy(output, end, at, at + count);
        at += count;
        end += count;
        break;
      }
      case 1:
        copy((tag >> 5) * 256 + readByte(), (size & 7) + 4);
        break;
      case 2:
        copy(readLittleEndian(2), size + 1);
        break;
      default:
        copy(readLittleEndian(4), size + 1);
    }
  }
  if (end !== length) throw new RangeError("compressed data ends too early");
  return output;
}

/** The most bytes of output per byte of input: a copy of 64 bytes takes three. */
const maxRatio = 22;
