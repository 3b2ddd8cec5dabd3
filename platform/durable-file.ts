// Small files that are read and replaced as a whole.

import { dirname } from "node:path";
import { promised, type Disk, type DiskFile } from "./disk.js";
import { errorCode } from "./error-codes.js";

/** Undefined: there is no such file. */
export const readText = async (disk: Disk, path: string): Promise<string | undefined> => {
  const file = await ifThere(promised<DiskFile>((done) => disk.open(path, "reading", done)));
  if (file === undefined) return undefined;
  try {
    const length = await promised<number>((done) => file.size(done));
    const bytes = await promised<Uint8Array>((done) => file.read(0, length, done));
    return new TextDecoder().decode(bytes);
  } finally {
    await promised((done) => file.close(done));
  }
};

/** Replaces a file so that after a crash it holds either the old or the new text, never a part. */
export const replaceFile = async (disk: Disk, path: string, text: string): Promise<void> => {
  const temporary = `${path}.tmp`;
  const file = await promised<DiskFile>((done) => disk.open(temporary, "new", done));
  try {
    await promised((done) => file.write(new TextEncoder().encode(text), 0, done)); // durable before it has the name
  } finally {
    await promised((done) => file.close(done));
  }
  await promised((done) => disk.rename(temporary, path, done));
  await promised((done) => disk.syncDirectory(dirname(path), done));
};

/** Resolves to undefined if the file does not exist. */
export const ifThere = async <T>(asked: Promise<T>): Promise<T | undefined> => {
  try {
    return await asked;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
};
