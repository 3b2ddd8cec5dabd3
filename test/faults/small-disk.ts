// A real file system of a few mebibytes, to be filled up. Mounting one takes root.

import { execFile } from "node:child_process";
import { mkdtemp, open, rm, rmdir, statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const mebibyte = 1024 * 1024;

export class SmallDisk implements AsyncDisposable {
  private constructor(readonly path: string) {}

  static async mount(mebibytes: number): Promise<SmallDisk> {
    const path = await mkdtemp(join(tmpdir(), "minietcd-disk-"));
    await run("mount", ["-t", "tmpfs", "-o", `size=${mebibytes}m,mode=700`, "minietcd-test", path]);
    return new SmallDisk(path);
  }

  async countFreeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.path);
    return bavail * bsize;
  }

  /** Fills the disk until only `freeMebibytes` are free, even if others write to it meanwhile. */
  async fillUpTo(freeMebibytes: number): Promise<void> {
    const ballast = await open(this.ballast, "a");
    try {
      for (;;) {
        const excess = (await this.countFreeBytes()) - freeMebibytes * mebibyte;
        if (excess <= 0) return;
        await ballast.write(Buffer.alloc(Math.min(excess, mebibyte), 1));
      }
    } finally {
      await ballast.close();
    }
  }

  /** Frees the space that `fillUpTo` used. */
  removeBallast(): Promise<void> {
    return rm(this.ballast, { force: true });
  }

  /** Makes the disk larger. */
  async growTo(mebibytes: number): Promise<void> {
    await run("mount", ["-o", `remount,size=${mebibytes}m`, this.path]);
  }

  /** Makes the disk read-only. No file may be open for writing. */
  async makeReadOnly(): Promise<void> {
    await run("mount", ["-o", "remount,ro", this.path]);
  }

  async makeWritable(): Promise<void> {
    await run("mount", ["-o", "remount,rw", this.path]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await run("umount", [this.path]);
    await rmdir(this.path);
  }

  private get ballast(): string {
    return join(this.path, "ballast");
  }
}
