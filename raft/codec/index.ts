// Entries and messages between members, as bytes.

export { ByteReader, ByteWriter, MalformedMessageError } from "./bytes.js";
export { readEntries, writeEntries } from "./entries.js";
export { decodePeerMessage, encodePeerMessage } from "./peer-message.js";
