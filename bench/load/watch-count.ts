/** The contents of a WatchResponse that a load counts. */
export interface WatchCount {
  readonly created: boolean;
  readonly events: number;
}

const createdField = 3;
const eventsField = 11;
const lengthDelimited = 2;

/** Counts the events of an encoded WatchResponse without decoding them. */
export const countWatch = (message: Uint8Array): WatchCount => {
  let at = 0;
  const readVarint = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = message[at++] ?? 0;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  };
  let [created, events] = [false, 0];
  while (at < message.length) {
    const tag = readVarint();
    const value = readVarint(); // a WatchResponse has two kinds of fields: numbers, and bytes after their length
    if (tag >> 3 === createdField) created = value !== 0;
    if (tag >> 3 === eventsField) events++;
    if ((tag & 7) === lengthDelimited) at += value;
  }
  return { created, events };
};
