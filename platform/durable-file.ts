// Small files that are read and replaced as a whole.

import { dirname } from "node:path";
import { toPromise, type Disk, type DiskFile } from "./disk.js";
import { errorCode } from "./error-codes.js";

/** Reads a file as text; undefined if it does not exist. */
export const readText = async (disk: Disk, path: string): Promise<string | undefined> => {
  const file = await ignoreMissing(toPromise<DiskFile>((done) => disk.open(path, "reading", done)));
  if (file === undefined) return undefined;
  try {
    const length = await toPromise<number>((done) => file.size(done));
    const bytes = await toPromise<Uint8Array>((done) => file.read(0, length, done));
    return new TextDecoder().decode(bytes);
  } finally {
    await toPromise((done) => file.close(done));
  }
};

/** Replaces a file so that after a crash it holds either the old or the new text, never a part. */
export const replaceFile = async (disk: Disk, path: string, text: string): Promise<void> => {
  const temporary = `${path}.tmp`;
  const file = await toPromise<DiskFile>((done) => disk.open(temporary, "new", done));
  try {
    await toPromise((done) => file.write(new TextEncoder().encode(text), 0, done)); // durable before it gets its final name
  } finally {
    await toPromise((done) => file.close(done));
  }
  await toPromise((done) => disk.rename(temporary, path, done));
  await toPromise((done) => disk.syncDirectory(dirname(path), done));
};

/** Resolves to undefined if the file does not exist. */
export const ignoreMissing = async <T>(work: Promise<T>): Promise<T | undefined> => {
  try {
    return await work;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
};
