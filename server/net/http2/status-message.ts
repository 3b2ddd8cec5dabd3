/** Every character but those that may stand in `grpc-message` as they are: printable ASCII without the percent sign. */
const special = /[^ -$&-~]/;
const allSpecial = new RegExp(special, "g");

/** Percent-encodes the UTF-8 bytes of a status text as far as gRPC's protocol asks for it. */
export const encodeStatusMessage = (text: string): string =>
  special.test(text) ? Buffer.from(text).toString("latin1").replace(allSpecial, percent) : text;

const percent = (byte: string): string => `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
