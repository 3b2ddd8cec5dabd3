// Entries as bytes. A run of entries is a stretch of one log: indexes count up by one and terms never fall, so the run
// stores neither, only how far each term is above the one before it. What can be decoded is such a stretch by construction.
import type { Entry, LogIndex, Term } from "../core/index.js";
import type { ByteReader, ByteWriter } from "./bytes.js";

/** The entry a run follows in its log: `index` is one less than the first entry's, `term` not above its term. */
export interface RunStart {
  readonly index: number;
  readonly term: number;
}

/** The smallest entry, a no-op in the term of the one before: one byte of term, one of length. */
const minEntryBytes = 2;

/** Writes `entries` as the stretch of log that follows `start`; a reader must be told the same `start`. */
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

/** Reads what `writeRun` wrote after the same `start`. The entries' data are views into the message. */
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

/** Writes `entries` together with where they begin. */
export const writeEntries = (writer: ByteWriter, entries: readonly Entry[]): void => {
  const first = entries[0];
  const start: RunStart = first === undefined ? { index: 0, term: 0 } : { index: first.index - 1, term: first.term };
  writer.writeNumber(start.index);
  writer.writeNumber(start.term);
  writeRun(writer, entries, start);
};

export const readEntries = (reader: ByteReader): Entry[] => {
  const index = reader.readNumber();
  const term = reader.readNumber();
  return readRun(reader, { index, term });
};
