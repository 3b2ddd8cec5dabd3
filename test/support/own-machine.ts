// Runs a program as if on a machine of its own: its network is loopback only, and its DNS has a few names. This needs Linux namespaces,
// and root to create them; the real machine's network and settings do not change.
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { scaleMs } from "./machine-speed.js";
import { tempFolder } from "./temp-folder.js";

const run = promisify(execFile);
const timeoutMs = 120_000;

/**
 * Runs a TypeScript script there.
 * @returns its standard output
 */
export async function runOnOwnMachine(script: string): Promise<string> {
  await using folder = await tempFolder();
  const settings = join(folder.path, "resolv.conf");
  await writeFile(settings, "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n");
  const setUp = 'ip link set lo up && mount --bind "$1" /etc/resolv.conf && shift && exec "$@"';
  const program = [process.execPath, "--import", "tsx", script];
  const { stdout } = await run("unshare", ["--net", "--mount", "sh", "-c", setUp, "sh", settings, ...program], {
    timeout: scaleMs(timeoutMs),
  });
  return stdout;
}
