import { BackWriter } from "./back-writer.js";

const writer = new BackWriter();

/** Encodes an Event. @param kv an encoded KeyValue @param prevKv the encoded previous KeyValue; empty: none */
export const encodeEvent = (isDelete: boolean, kv: Uint8Array, prevKv: Uint8Array): Uint8Array => {
  writer.begin();
  writer.bytesField(26, prevKv);
  writer.bytesField(18, kv);
  writer.boolField(8, isDelete);
  return writer.take();
};
