import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Directories that are not removed yet. */
const present = new Set<string>();

const removeAll = (): void => {
  for (const path of present) rmSync(path, { recursive: true, force: true });
};

/** A directory that is removed by `close()`, or at the end of the process. */
export class TemporaryDirectory {
  readonly path = mkdtempSync(join(tmpdir(), "minietcd-test-"));

  constructor() {
    if (present.size === 0) process.on("exit", removeAll);
    present.add(this.path);
  }

  close(): void {
    rmSync(this.path, { recursive: true, force: true, maxRetries: 3 });
    present.delete(this.path);
    if (present.size === 0) process.removeListener("exit", removeAll);
  }
}
