/** Characters that `grpc-message` must encode: all but printable ASCII, and the percent sign. */
const special = /[^ -$&-~]/;
const allSpecial = new RegExp(special, "g");

/** Percent-encodes the UTF-8 bytes of a status text (gRPC over HTTP/2). */
export const encodeStatusMessage = (text: string): string =>
  special.test(text) ? Buffer.from(text).toString("latin1").replace(allSpecial, percent) : text;

const percent = (byte: string): string => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
