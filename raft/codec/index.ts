// The encoding of entries and of messages between members.

export { ByteReader, ByteWriter, MalformedMessageError } from "./bytes.js";
export { readConfiguration, writeConfiguration } from "./configuration.js";
export { readEntries, writeEntries } from "./entries.js";
export { decodePeerMessage, encodePeerMessage, PeerMessageBuffer } from "./peer-message.js";
