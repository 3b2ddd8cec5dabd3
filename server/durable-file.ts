import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/** Makes what was created, renamed or removed in a directory survive a power cut. Not possible on Windows. */
export const syncDirectory = async (directory: string): Promise<void> => {
  if (process.platform === "win32") return;
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

/**
 * Creates a directory and its parents, for the owner alone. Its name survives a power cut: the two above are synced each
 * time, as a former attempt may have been killed in between, those further up if they are new.
 */
export const makeDirectory = async (path: string): Promise<void> => {
  const firstCreated = await mkdir(path, { recursive: true, mode: 0o700 });
  const aboveNew = dirname(firstCreated ?? path);
  const twoAbove = dirname(dirname(path));
  const last = aboveNew.length < twoAbove.length ? aboveNew : twoAbove;
  for (let directory = dirname(path); ; directory = dirname(directory)) {
    await syncDirectory(directory);
    if (directory === last) return;
  }
};

/** Replaces a small file so that after a crash it holds either the old or the new text, never a part. */
export const replaceFile = async (path: string, text: string): Promise<void> => {
  const temporary = `${path}.tmp`;
  await rm(temporary, { force: true });
  const handle = await open(temporary, "wx", 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
  await syncDirectory(dirname(path));
};
