/** An empty value; shared, so that it is allocated once. */
export const noBytes: Uint8Array = new Uint8Array(0);
