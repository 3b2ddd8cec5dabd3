// Checks LevelDB's tables before LevelDB opens them. A table has a checksum per block, which LevelDB does not verify with the options
// of `level`: from a block with a flipped bit it reads other rows or none, or an assertion in it fails and ends the process with a
// message that does not name the file. The checksums of the store's own rows do not help, as the process may end before.
//
//   block: content, type (0 plain, 1 Snappy), masked CRC-32C of both
//   table: blocks of rows, a filter block, a meta index block, an index block; footer: handles of the last two, magic
//   meta index and index: keys and values as in every block; each value is the handle of another block: its offset and size

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { crc32c } from "./crc32c.js";
import { DamagedError } from "../base/index.js";
import { listNames } from "./level-directory.js";
import { decompressSnappy } from "./snappy.js";

const footerBytes = 48;
const magic = Buffer.from("57fb808b247547db", "hex");
const trailerBytes = 5;
const snappyType = 1;

/**
 * Reads all tables in `directory`, one after the other, and checks every block.
 *
 * @throws DamagedError naming the file and the byte where the damaged block begins
 */
export async function checkTables(directory: string): Promise<void> {
  const names = await listNames(directory);
  // LevelDB treats a directory without CURRENT as a new one, and removes all unknown files.
  if (!names.includes("CURRENT") && names.some((name) => /\.(ldb|log)$|^MANIFEST-/.test(name)))
    throw new DamagedError(join(directory, "CURRENT"), "it is missing");
  for (const name of names.filter((each) => each.endsWith(".ldb")).sort()) {
    const file = join(directory, name);
    checkTable(file, await readFile(file));
  }
}

/** Checks every block of a table. @throws DamagedError */
export function checkTable(file: string, table: Buffer): void {
  const checkAll = table.length - footerBytes;
  // An unfinished table, from before a crash: LevelDB removes it, or reports it itself if it needs it.
  if (checkAll < 0 || !table.subarray(-magic.length).equals(magic)) return;
  new TableCheck(file, table).readFooter(checkAll);
}

/** The place of a block in the table. */
interface Handle {
  readonly offset: number;
  readonly size: number;
}

class TableCheck {
  constructor(
    private readonly file: string,
    private readonly table: Buffer,
  ) {}

  readFooter(at: number): void {
    const cursor = new HandleReader(this.table, at, this.table.length - magic.length);
    const parts = this.readAt(at, () => [cursor.handle(), cursor.handle()]);
    if (this.table.subarray(cursor.at, cursor.end).some((byte) => byte !== 0))
      throw this.createDamage(cursor.at, "its footer");
    for (const part of parts) for (const readHandle of this.handlesIn(part)) this.checkBlock(readHandle);
  }

  /** Checks the checksum of a block. Rows are not decompressed: LevelDB itself reports those that it cannot decompress. */
  private checkBlock({ offset, size }: Handle): void {
    const end = offset + size;
    if (end + trailerBytes > this.table.length - footerBytes) throw this.createDamage(offset, "a block beyond the end");
    const stored = this.table.readUInt32LE(end + 1);
    if (maskChecksum(crc32c(this.table.subarray(offset, end + 1))) !== stored)
      throw this.createDamage(offset, `the checksum of a block of ${size} bytes`);
  }

  /** Returns the handles in the index or the meta index. */
  private handlesIn(handle: Handle): Handle[] {
    this.checkBlock(handle);
    const { offset, size } = handle;
    const stored = this.table.subarray(offset, offset + size);
    return this.readAt(offset, () => {
      const content = this.table[offset + size] === snappyType ? decompressSnappy(stored) : stored;
      const entriesEnd = content.length - 4 - 4 * content.readUInt32LE(content.length - 4);
      const cursor = new HandleReader(content, 0, entriesEnd);
      const handles: Handle[] = [];
      while (cursor.at < entriesEnd) {
        cursor.readNumber(); // the number of bytes that the key shares with the one before
        const key = cursor.readNumber();
        cursor.readNumber();
        cursor.skip(key);
        handles.push(cursor.handle());
      }
      return handles;
    });
  }

  private readAt<T>(offset: number, read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new DamagedError(this.file, `at byte ${offset}: ${error.message}`, { cause: error });
    }
  }

  private createDamage(offset: number, what: string): DamagedError {
    return new DamagedError(this.file, `at byte ${offset}: ${what} has changed since it was written`);
  }
}

/** Reads LevelDB's numbers from bytes that may be damaged. */
class HandleReader {
  constructor(
    private readonly bytes: Buffer,
    public at: number,
    readonly end: number,
  ) {}

  /** @throws RangeError */
  handle(): Handle {
    return { offset: this.readNumber(), size: this.readNumber() };
  }

  readNumber(): number {
    let value = 0;
    for (let scale = 1; scale < 2 ** 49; scale *= 128) {
      const byte = this.at < this.end ? this.bytes[this.at++] : undefined;
      if (byte === undefined) throw new RangeError("an unterminated number");
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw new RangeError("a number that is too large");
  }

  skip(count: number): void {
    this.at += count;
  }
}

/** Returns a checksum as LevelDB stores it: rotated by 15 bits, plus a constant, as the CRC of data that contains its own CRC is weak. */
const maskChecksum = (sum: number): number => (((sum >>> 15) | (sum << 17)) + 0xa282ead8) >>> 0;
