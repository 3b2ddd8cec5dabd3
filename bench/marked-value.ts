// Values that contain the number of their put and the time at which it was sent.

/** The size of a value, with padding up to a usual size. */
const valueBytes = 64;

/** The number of a put, from 1; 0 means "none". */
export type PutNumber = number;

/** Returns the value of a put that is sent now. */
export const markValue = (put: PutNumber): Uint8Array => {
  const value = new Uint8Array(valueBytes);
  const view = new DataView(value.buffer);
  view.setFloat64(0, readSharedClock());
  view.setUint32(8, put);
  return value;
};

/** Reads the time at which the put was sent, by the shared clock. */
export const readSentAt = (value: Uint8Array): number =>
  new DataView(value.buffer, value.byteOffset, value.length).getFloat64(0);

/** Reads the number of the put; 0 if the value is not of `markValue`. */
export const readPutNumber = (value: Uint8Array): PutNumber => {
  if (value.length !== valueBytes) return 0;
  const [a = 0, b = 0, c = 0, d = 0] = value.subarray(8, 12);
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
};

/** Reads a clock that all processes of this machine share, in milliseconds. */
export const readSharedClock = (): number => performance.timeOrigin + performance.now();
