// minietcdctl snapshot save
import { createHash, type Hash } from "node:crypto";
import { open, rename, rm, type FileHandle } from "node:fs/promises";
import { Command } from "commander";
import { EtcdError, type SnapshotPart } from "../../../client/index.js";
import { exitCodes, Failure, formatBytes, type Io, systemErrorReason } from "../args/index.js";
import { requestFailure, withSession } from "./session.js";

const examples = `
Takes one endpoint. The file contains etcd's database, and its checksum is verified; etcdutl restores it. Until
the file is complete its name ends in ".part". Members of minietcd cannot be backed up this way yet: they answer Unimplemented.

Examples:
  $ minietcdctl --endpoints 127.0.0.1:2379 snapshot save backup.db`;

/** Declares `snapshot save`, with its help. */
export const snapshotSaveCommand = (): Command =>
  new Command("save")
    .description("Saves a backup of an etcd member to a file")
    .usage("[options] <filename>")
    .addHelpText("after", examples);

/** Saves a backup. */
export async function runSnapshotSave(command: Command, io: Io): Promise<void> {
  const [path, ...more] = command.args;
  if (path === undefined || more.length > 0)
    throw new Failure(exitCodes.badArguments, "snapshot save expects one argument <filename>");
  await withSession(command, io, async ({ client, endpoints, limits }) => {
    const [endpoint, ...others] = endpoints;
    if (endpoint === undefined || others.length > 0)
      throw failure(`snapshot must be requested to one selected node, not multiple [${endpoints.join(" ")}]`);
    try {
      const version = await save(client.maintenance.snapshot(endpoint, limits), path, io);
      io.print(`Snapshot saved at ${path}\n`);
      if (version !== "") io.print(`Server version ${version}\n`);
    } catch (error) {
      throw error instanceof EtcdError ? requestFailure(error, io, exitCodes.interrupted) : error;
    }
  });
}

const failure = (reason: string): Failure => new Failure(exitCodes.interrupted, reason);

/**
 * Runs one step with a file; a failure gets etcdctl's text.
 *
 * @param intent the purpose, in etcdctl's words
 * @param call the system call, as Go names it in its errors
 * @throws Failure
 */
async function attempt<Result>(intent: string, call: string, step: () => Promise<Result>): Promise<Result> {
  try {
    return await step();
  } catch (error) {
    const reason = systemErrorReason(error);
    throw reason === undefined ? error : failure(`could not ${intent} (${call}: ${reason})`);
  }
}

/** Writes all parts to a temporary file, which is renamed to `path` at the end. @returns the version of the backup */
async function save(parts: AsyncIterable<SnapshotPart>, path: string, io: Io): Promise<string> {
  const partPath = `${path}.part`;
  const file = await attempt(`open ${partPath}`, `open ${partPath}`, () => open(partPath, "w", 0o600));
  try {
    const version = await write(parts, file, partPath, io);
    await attempt(`rename ${partPath} to ${path}`, `rename ${partPath} ${path}`, () => rename(partPath, path));
    return version;
  } catch (error) {
    await rm(partPath, { force: true });
    throw error;
  } finally {
    io.progress?.("");
  }
}

async function write(parts: AsyncIterable<SnapshotPart>, file: FileHandle, path: string, io: Io): Promise<string> {
  const checksum = new Checksum();
  let version = "";
  try {
    for await (const part of parts) {
      ({ version } = part);
      checksum.update(part.bytes);
      await attempt("write snapshot", `write ${path}`, () => file.writeFile(part.bytes));
      io.progress?.(`${formatBytes(checksum.size)}, ${formatBytes(part.remainingBytes)} to come`);
    }
    checksum.check();
    await attempt("fsync snapshot", `sync ${path}`, () => file.sync());
    return version;
  } finally {
    await file.close();
  }
}

/** The smallest page size of the database; the checksum follows a whole number of pages. */
const pageBytes = 512;
const checksumBytes = 32;

/** Checks the checksum at the end of a backup while its bytes are received. */
class Checksum {
  /** Bytes received. */
  size = 0;
  private readonly hash: Hash = createHash("sha256");
  /** The last bytes received. They may be the checksum, and are not hashed yet. */
  private last: Buffer = Buffer.alloc(0);

  update(bytes: Uint8Array): void {
    this.size += bytes.length;
    const unhashed = Buffer.concat([this.last, bytes]);
    const end = Math.max(unhashed.length - checksumBytes, 0);
    this.hash.update(unhashed.subarray(0, end));
    this.last = unhashed.subarray(end);
  }

  /** @throws Failure if the checksum is missing, or differs from the checksum of the bytes before it */
  check(): void {
    if (this.size % pageBytes !== checksumBytes) throw failure(`sha256 checksum not found [bytes: ${this.size}]`);
    if (!this.hash.digest().equals(this.last))
      throw failure("the backup was damaged on its way: its sha256 checksum is wrong");
  }
}
