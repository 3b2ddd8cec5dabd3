// The encoding of entries and of messages between members.

export { ByteReader, ByteWriter, MalformedMessageError } from "./bytes.js";
export { readEntries, writeEntries } from "./entries.js";
export { decodePeerMessage, encodePeerMessage } from "./peer-message.js";
