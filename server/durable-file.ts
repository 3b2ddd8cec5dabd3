import { open, rename, rm } from "node:fs/promises";
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
