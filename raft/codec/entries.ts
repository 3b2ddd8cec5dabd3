// The encoding of entries. A run of entries is a stretch of one log: indexes count up by one and terms never fall. A run stores
// only how far each term is above the one before, so every decoded run is such a stretch.
import type { Entry, LogIndex, Term } from "../core/index.js";
import type { ByteReader, ByteWriter } from "./bytes.js";

/** The entry before a run: `index` is one less than the first entry's, `term` is at most its term. */
export interface RunStart {
  readonly index: number;
  readonly term: number;
}

/** The size of the smallest entry, a no-op in the term of the entry before: one byte of term, one of length. */
const minEntryBytes = 2;

/** Writes `entries` as the run that follows `start`; the reader needs the same `start`. */
export const writeRun = (writer: ByteWriter, entries: readonly Entry[], start: RunStart): void => {
  let { index, term } = start;
  writer.writeNumber(entries.length);
  for (const entry of entries) {
    if (entry.index !== index + 1 || entry.term < term)
      throw new RangeError(`Cannot encode entry ${entry.index} of term ${entry.term} after ${index} of term ${term}`);
    writer.writeNumber(entry.term - term);
    writer.writeBytes(entry.data);
    ({ index, term } = entry);
  }
};

/** Reads a run written with the same `start`. The entries' data are views into the message. @throws MalformedMessageError */
export const readRun = (reader: ByteReader, start: RunStart): Entry[] => {
  const count = reader.readNumber();
  if (count * minEntryBytes > reader.remaining)
    throw reader.malformedError(`${count} entries announced, too few bytes left`);
  if (start.index + count > Number.MAX_SAFE_INTEGER) throw reader.malformedError("an index beyond 2^53 - 1");
  const entries: Entry[] = [];
  let { index, term } = start;
  for (let left = count; left > 0; left--) {
    index += 1;
    term += reader.readNumber();
    if (term > Number.MAX_SAFE_INTEGER) throw reader.malformedError("a term beyond 2^53 - 1");
    entries.push({ index: index as LogIndex, term: term as Term, data: reader.bytes() });
  }
  return entries;
};

/** Writes `entries` together with their start. */
export const writeEntries = (writer: ByteWriter, entries: readonly Entry[]): void => {
  const first = entries[0];
  const start: RunStart = first === undefined ? { index: 0, term: 0 } : { index: first.index - 1, term: first.term };
  writer.writeNumber(start.index);
  writer.writeNumber(start.term);
  writeRun(writer, entries, start);
};

/** Reads entries written by `writeEntries`. @throws MalformedMessageError */
export const readEntries = (reader: ByteReader): Entry[] => {
  const index = reader.readNumber();
  const term = reader.readNumber();
  return readRun(reader, { index, term });
};
