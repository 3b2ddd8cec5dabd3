// The encoding of a run: consecutive entries of one log. The index grows by one from entry to entry and the term never falls, so a
// run is the number of entries, then per entry the difference of its term to the term before, its kind, and a command's data
// or a configuration's members. Every decoded run is therefore a valid part of a log. Example, after index 4 of term 2:
//
//   entries   5 of term 2, empty    6 of term 3, command "hi"
//   bytes     02 (count)   00 01    01 02 02 "hi"
import type { Entry, LogIndex, Term } from "../core/index.js";
import type { ByteReader, ByteWriter } from "./bytes.js";
import { readConfiguration, writeConfiguration } from "./configuration.js";

/** The entry before a run: `index` is one less than the first entry's, `term` is at most its term. */
export interface RunStart {
  readonly index: number;
  readonly term: number;
}

/** The number of each kind on the wire and on disk. A number is never used for another kind. */
const kindCode = { empty: 1, command: 2, configuration: 3 } as const satisfies Record<Entry["kind"], number>;

/** The size of the smallest entry, an empty one in the term of the entry before: one byte of term, one of kind. */
const minEntryBytes = 2;

/** An upper bound of an entry's size without its data; numbers take up to 8 bytes. */
const mostBytesWithoutData = 17;

/**
 * Returns an upper bound of a run's size, without the data that a writer attaches and without configurations, which are small and
 * rare: the writer grows for them.
 */
export const mostBytesOfRun = (entries: readonly Entry[], attachedFrom: number): number => {
  let bytes = 8;
  for (const entry of entries) {
    bytes += mostBytesWithoutData;
    if (entry.kind === "command" && entry.data.length < attachedFrom) bytes += entry.data.length;
  }
  return bytes;
};

/** Writes `entries` as the run that follows `start`; the reader needs the same `start`. */
export const writeRun = (writer: ByteWriter, entries: readonly Entry[], start: RunStart): void => {
  let { index, term } = start;
  writer.ensureRoom(mostBytesOfRun(entries, writer.attachedFrom));
  writer.writeNumber(entries.length);
  for (const entry of entries) {
    if (entry.index !== index + 1 || entry.term < term)
      throw new RangeError(`Cannot encode entry ${entry.index} of term ${entry.term} after ${index} of term ${term}`);
    writer.writeNumber(entry.term - term);
    writer.writeByte(kindCode[entry.kind]);
    if (entry.kind === "command") writer.writeBytes(entry.data);
    else if (entry.kind === "configuration") writeConfiguration(writer, entry.configuration);
    ({ index, term } = entry);
  }
};

/** Reads a run written with the same `start`. Commands are views into the message. @throws MalformedMessageError */
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
    entries.push(readContent(reader, index as LogIndex, term as Term));
  }
  return entries;
};

// Object literals without a spread, with the properties in the core's order: V8 then gives all entries of a kind one hidden class.
const readContent = (reader: ByteReader, index: LogIndex, term: Term): Entry => {
  const code = reader.readByte();
  switch (code) {
    case kindCode.empty:
      return { kind: "empty", index, term };
    case kindCode.command:
      return { kind: "command", index, term, data: reader.readBytes() };
    case kindCode.configuration:
      return { kind: "configuration", index, term, configuration: readConfiguration(reader) };
    default:
      throw reader.malformedError(`entry ${index} is of unknown kind ${code}`);
  }
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
