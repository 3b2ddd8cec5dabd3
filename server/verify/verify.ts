// Checks the files of a stopped member: describes them, their damage, and remedies. Changes only the lock. No remedy makes a
// member forget its votes or acknowledgements.

import { access, constants, stat } from "node:fs/promises";
import { basename } from "node:path";
import {
  checkWal,
  type HardState,
  type LogPosition,
  logStart,
  WalDamagedError,
  WalFailedError,
  type RecoveredLog,
  type WalReport,
} from "../../raft/index.js";
import type { AppliedState } from "../replication/apply/index.js";
import {
  DirectoryFiles,
  type DirectoryOwner,
  formatVersion,
  mustRestart,
  NewerDirectoryError,
  type StoreInUse,
  UnfinishedRebuildError,
} from "../data-dir/index.js";
import { errorText, formatId, StartError, damageAdvice } from "../base/index.js";
import { causeOf, errorCode, isError, machineDisk } from "../../platform/index.js";
import { parsePeersFile, type PeersFile } from "../peers/index.js";
import { checkStore } from "./store-check.js";

/** A finding about one part of a member's files. */
export interface Finding {
  /** A file or directory below `member/`, or the relation of two of them. */
  readonly part: string;
  /** The content of the part, or its damage, with file and position. */
  readonly text: string;
  /** The remedy; undefined if none is needed. */
  readonly advice: string | undefined;
}

/** The options of `verifyDataDirectory`. */
export interface VerifyOptions {
  readonly dataDir: string;
  /** A folder for a copy of the store: LevelDB changes a directory when it opens it. */
  readonly temporary: string;
}

/** The state of a stopped member, from its files. */
export interface MemberState extends DirectoryOwner {
  /** The number of its last start. */
  readonly incarnation: number;
  readonly peers: PeersFile;
  readonly store: StoreInUse;
  readonly applied: AppliedState;
  readonly hardState: HardState;
  /** The end of the log at the next start. */
  readonly last: LogPosition;
  /** The segments of the log, oldest first. */
  readonly segments: readonly string[];
}

/** The result of `examineFiles`. */
export interface Examination {
  readonly findings: readonly Finding[];
  /** Undefined: there is damage, or the first start of the member was not completed. */
  readonly state: MemberState | undefined;
}

/** Checks all files of a member whose directory is locked by the caller. */
export const examineFiles = async (files: DirectoryFiles, temporary: string): Promise<Examination> => {
  const { findings, state } = await new Verification(files, temporary).run();
  return { findings, state: findings.every(({ advice }) => advice === undefined) ? state : undefined };
};

/**
 * Checks all files of a stopped member, and their relations.
 *
 * @throws StartError if there are no files, a member runs there, or the files may not be read
 */
export const verifyDataDirectory = async ({ dataDir, temporary }: VerifyOptions): Promise<readonly Finding[]> => {
  const files = new DirectoryFiles(machineDisk, dataDir);
  try {
    await stat(files.member);
    await files.refuseForeign();
    const unlock = await holdLock(files);
    try {
      return (await examineFiles(files, temporary)).findings;
    } finally {
      await unlock();
    }
  } catch (error) {
    throw asVerifyError(error, files.member);
  }
};

/** Converts an error that prevented the check to a remedy. Unexpected errors are returned unchanged. */
const asVerifyError = (error: unknown, member: string): unknown => {
  const code = errorCode(error) ?? "";
  const place = isError(error) && "path" in error && typeof error.path === "string" ? error.path : member;
  if (["ENOENT", "ENOTDIR"].includes(code) && place === member)
    return new StartError(`${member} does not exist: no member has been started here`);
  if (isForbidden(error)) return new StartError(`cannot read ${place}: check its owner and mode`, { cause: error });
  return error;
};

/**
 * Keeps a member from starting during the check; a directory that is not writable needs no lock. Returns a function that
 * unlocks.
 */
const holdLock = async (files: DirectoryFiles): Promise<() => Promise<void>> => {
  try {
    await access(files.pathOf("lock"), constants.W_OK);
  } catch (error) {
    if (errorCode(error) === "EROFS" || errorCode(error) === "ENOENT") return () => Promise.resolve();
    throw error;
  }
  const lock = await files.lock();
  return () => lock.close();
};

/** Undefined: that part is damaged, and parts that depend on it cannot be checked. */
type Maybe<T> = T | undefined;

type Complete<T> = { readonly [Key in keyof T]: Exclude<T[Key], undefined> };

const isComplete = <T extends object>(parts: T): parts is T & Complete<T> =>
  Object.values(parts).every((part) => part !== undefined);

class Verification {
  private readonly findings: Finding[] = [];

  constructor(
    private readonly files: DirectoryFiles,
    private readonly temporary: string,
  ) {}

  async run(): Promise<Examination> {
    const { findings } = this;
    const owner = await this.checkOwner();
    if (owner === "nobody") return { findings, state: undefined };
    const incarnation = await this.checkIncarnation();
    const peers = await this.checkPeers(incarnation);
    const store = await this.checkStoreInUse();
    const wal = await this.checkLog(incarnation);
    const applied = store && (await this.checkStore(store));
    const last =
      applied !== undefined && store !== undefined && wal !== undefined && wal.problem === undefined
        ? this.compareLogAndStore(wal.log, applied, store)
        : undefined;
    if (applied !== undefined) this.compareIdentities(applied, owner, incarnation);
    const parts = { incarnation, peers, store, applied, last, segments: wal?.segments, hardState: wal?.log?.hardState };
    return { findings, state: owner && isComplete(parts) ? { ...owner, ...parts } : undefined };
  }

  private async checkOwner(): Promise<Maybe<DirectoryOwner> | "nobody"> {
    const part = "format.json";
    try {
      const owner = await this.files.readOwner();
      if (owner === undefined) {
        this.ok(part, "missing: no start of this member was completed; the next start creates it");
        return "nobody";
      }
      const { clusterId, memberId } = owner;
      this.ok(part, `format ${formatVersion}, cluster ${formatId(clusterId)}, member ${formatId(memberId)}`);
      return owner;
    } catch (error) {
      this.addFinding(part, errorText(error), adviceForOwner(error));
      return undefined;
    }
  }

  private async checkIncarnation(): Promise<Maybe<number>> {
    const part = "incarnation";
    try {
      const starts = await this.files.readIncarnation();
      this.ok(part, starts === 0 ? "missing: no start of this member was completed" : `start ${starts}`);
      return starts;
    } catch (error) {
      this.addFinding(part, errorText(error), restoreIncarnation(this.files.pathOf(part)));
      return undefined;
    }
  }

  private async checkPeers(incarnation: Maybe<number>): Promise<Maybe<PeersFile>> {
    const part = "peers";
    const path = this.files.pathOf(part);
    const text = await this.files.readPeers();
    if (text === undefined) {
      // The first start creates the file after it has counted itself.
      if ((incarnation ?? 0) <= 1) this.ok(part, "missing: this member knows no peer yet");
      else this.addFinding(part, `${path} is missing: peers will refuse this member as stale`, restorePeers);
      return undefined;
    }
    try {
      const peers = parsePeersFile(text);
      const { directory, incarnations, fencedBecause } = peers;
      if (fencedBecause !== undefined) this.addFinding(part, `fenced by a peer: ${fencedBecause}`, damageAdvice);
      else this.ok(part, `directory ${formatId(directory)}, ${incarnations.size} peers known`);
      return peers;
    } catch (error) {
      this.addFinding(part, `${path}: ${errorText(error)}`, restorePeers);
      return undefined;
    }
  }

  private async checkStoreInUse(): Promise<Maybe<StoreInUse>> {
    const part = "store-current";
    const stores = await this.files.listStores();
    try {
      const inUse = await this.files.readStoreInUse();
      const current = basename(inUse.path);
      const others = stores.filter((name) => name !== current);
      const leftOver = `; ${others.join(", ")}: left of a snapshot, the next start removes it`;
      this.ok(part, `${current} is in use${others.length === 0 ? "" : leftOver}`);
      return inUse;
    } catch (error) {
      const path = this.files.pathOf(part);
      const [only, another] = stores;
      const canTell = only !== undefined && another === undefined;
      this.addFinding(part, errorText(error), canTell ? `write "${only}" and a newline into ${path}` : damageAdvice);
      return undefined;
    }
  }

  private async checkLog(incarnation: Maybe<number>): Promise<Maybe<WalReport>> {
    const part = "wal";
    try {
      const report = await checkWal(machineDisk, this.files.pathOf(part));
      const { log, problem } = report;
      if (log === undefined && problem === undefined) this.ok(part, "no segments: the log has not begun yet");
      else if (log !== undefined) this.ok(part, describeLog(report, log));
      else this.addFinding(part, errorText(problem), problem instanceof WalDamagedError ? damageAdvice : useItsWriter);
      return report;
    } catch (error) {
      if (errorCode(error) === "ENOENT") this.reportMissingLog(part, incarnation);
      else if (!(error instanceof WalFailedError) || isForbidden(error)) throw error;
      else this.addFinding(part, errorText(error), checkDisk);
      return undefined;
    }
  }

  private reportMissingLog(part: string, incarnation: Maybe<number>): void {
    if (incarnation === 0) this.ok(part, "missing: the log has not begun yet");
    else this.addFinding(part, `${this.files.pathOf(part)} is missing`, damageAdvice);
  }

  private async checkStore({ path }: StoreInUse): Promise<Maybe<AppliedState>> {
    const part = basename(path);
    const report = await checkStore(path, this.temporary);
    if (report.kind !== "whole") {
      const advice = { damaged: damageAdvice, newer: useItsWriter, unreadable: checkDisk }[report.kind];
      this.addFinding(part, report.reason, advice);
      return undefined;
    }
    const { applied } = report;
    if (applied === undefined) {
      this.addFinding(
        part,
        `${path} has no marker: the position up to which the log was applied is missing`,
        damageAdvice,
      );
      return undefined;
    }
    const compacted = report.compactRevision < 0 ? "" : `, compacted up to ${report.compactRevision}`;
    const contains = `contains the log up to entry ${applied.index} of term ${applied.term}`;
    this.ok(part, `revision ${report.revision}${compacted}, ${report.leases} leases; ${contains}`);
    return applied;
  }

  /**
   * @param found undefined for a log that has not begun
   * @returns the end of the log at the next start; undefined: log and store do not belong together
   */
  private compareLogAndStore(
    found: RecoveredLog | undefined,
    applied: AppliedState,
    { installed }: StoreInUse,
  ): LogPosition | undefined {
    const part = "wal and store";
    const { configuration } = applied.membership;
    const log = found ?? { base: { ...logStart, configuration }, entries: [] };
    try {
      const { index, term } = applied;
      const restarts = mustRestart(log, { index, term, configuration }, installed);
      const last = log.entries.at(-1) ?? log.base;
      if (restarts)
        this.ok(part, `the next start restarts the log after entry ${applied.index}, the last one of the snapshot`);
      else this.ok(part, `the log has ${last.index - applied.index} entries after the store's last one`);
      return restarts ? applied : last;
    } catch (error) {
      this.addFinding(part, errorText(error), damageAdvice);
      return undefined;
    }
  }

  /** Checks that the store belongs to the member, and is not older than its last starts. */
  private compareIdentities(applied: AppliedState, owner: Maybe<DirectoryOwner>, incarnation: Maybe<number>): void {
    if (owner === undefined) return;
    const { memberId } = owner;
    if (!applied.membership.all.some(({ ID }) => ID === memberId)) {
      const text = `the store knows no member ${formatId(memberId)}: ${this.files.pathOf("format.json")} is another member's`;
      this.addFinding("format.json and store", text, restoreFormat);
    }
    const seen = applied.seen.incarnationOf(memberId);
    if (incarnation !== undefined && incarnation < seen) {
      const path = this.files.pathOf("incarnation");
      const text = `${path} says start ${incarnation}, but the store has writes of start ${seen}`;
      this.addFinding("incarnation and store", text, restoreIncarnation(path));
    }
  }

  private ok(part: string, text: string): void {
    this.findings.push({ part, text, advice: undefined });
  }

  private addFinding(part: string, text: string, advice: string): void {
    this.findings.push({ part, text, advice });
  }
}

const adviceForOwner = (error: unknown): string => {
  if (error instanceof UnfinishedRebuildError) return "repeat the reset of this member";
  return error instanceof NewerDirectoryError ? useItsWriter : restoreFormat;
};

const useItsWriter = "use the version of minietcd that wrote it";
const checkDisk = `check the disk; if it has lost something: ${damageAdvice}`;
const restoreFormat =
  'put the file back as it was, {"formatVersion":1,"clusterId":"…","memberId":"…"}: the cluster id is that of the other ' +
  "members' files, the member id as `minietcdctl member list` names it";
const restorePeers =
  'put the file back, {"directory":"…","members":{}} and a newline: the directory as the same file of another member names ' +
  "it at this one's id";
/** Advises a number above all earlier ones: otherwise the peers skip this member's new writes as repeats. */
const restoreIncarnation = (path: string): string =>
  `write a number that is higher than the count of its starts, as 1000000, and a newline into ${path}`;

const describeLog = (
  { segments, obsolete }: WalReport,
  { base, entries, hardState, repaired }: RecoveredLog,
): string => {
  const { term, vote, commit } = hardState;
  const parts = [
    `${segments.length} segments`,
    entries.length === 0
      ? `no entries after ${base.index}`
      : `entries ${base.index + 1} to ${base.index + entries.length}`,
    `term ${term}`,
    vote === 0n ? "no vote" : `vote for ${formatId(vote)}`,
    `commit at least ${commit}`,
  ];
  if (obsolete.length > 0) parts.push(`${obsolete.length} old segments that the next start removes`);
  if (repaired !== undefined)
    parts.push(
      `a write that a power cut interrupted, never acknowledged, of ${repaired.bytes} bytes ` +
        `at byte ${repaired.offset} of ${repaired.file}: the next start cuts it off`,
    );
  return parts.join(", ");
};

const isForbidden = (error: unknown): boolean =>
  [error, causeOf(error)].some((each) => ["EACCES", "EPERM"].includes(errorCode(each) ?? ""));
