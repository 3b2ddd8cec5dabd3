// Compares a log and a store at the start: they are written one after the other, and a crash may have come in between.

import {
  noMember,
  type Configuration,
  type LogBase,
  type LogIndex,
  type LogPosition,
  type MemberId,
  type RecoveredLog,
  type Term,
  type Wal,
} from "../../raft/index.js";
import { StartError } from "../base/index.js";

/**
 * Whether the log must restart empty after the store's position: a snapshot has replaced the store, and a crash came before the
 * log followed. The log's other entries beyond were never committed.
 *
 * @param installed the store's position when it replaced another store; undefined: it never did
 * @throws StartError if log and store do not belong together
 */
export const mustRestart = (
  { base, entries }: Pick<RecoveredLog, "base" | "entries">,
  contained: LogBase,
  installed: LogPosition | undefined,
): boolean => {
  const { index, term } = contained;
  const last = base.index + entries.length;
  if (index < base.index)
    throw new StartError(
      `the store contains the log only up to entry ${index}, but the write-ahead log begins after entry ${base.index}: ` +
        "the store ends before the log begins, its files are damaged or from another backup",
    );
  const termThere = index === base.index ? base.term : entries[index - base.index - 1]?.term;
  if (termThere === term) {
    if (contained.configuration.isEqual(configurationAt({ base, entries }, index))) return false;
    throw new StartError(
      `the store and the write-ahead log know different members as of entry ${index}: ` +
        "their files are damaged or from another backup",
    );
  }
  // No entry is applied between an installation and the restart of the log, so the position is exactly this one.
  if (installed?.index === index && installed.term === term) return true;
  throw new StartError(
    `the store contains the log up to entry ${index} of term ${term}, but the write-ahead log ` +
      (termThere === undefined ? `ends at ${last}` : `has an entry of term ${termThere} there`) +
      ": its files are damaged or from another time",
  );
};

/** Returns the configuration in force at `index`. Raft thesis §4.1. */
const configurationAt = ({ base, entries }: Pick<RecoveredLog, "base" | "entries">, index: LogIndex): Configuration => {
  let { configuration } = base;
  for (const entry of entries) if (entry.kind === "configuration" && entry.index <= index) ({ configuration } = entry);
  return configuration;
};

/** Restarts the log, empty, after `base`. Resolves to the recovered log once that is durable. */
export const restartLog = async (
  wal: Pick<Wal, "restart">,
  { hardState }: RecoveredLog,
  base: LogBase,
): Promise<RecoveredLog> => {
  // The snapshot came from a leader of at least that term; before a crash, the log may not have recorded the term.
  const isNews = base.term > hardState.term;
  const restarted = {
    term: (isNews ? base.term : hardState.term) satisfies Term,
    vote: (isNews ? noMember : hardState.vote) satisfies MemberId,
    commit: base.index,
  };
  await new Promise<void>((done) => wal.restart(base, restarted, done));
  return { hardState: restarted, base, entries: [], repaired: undefined };
};
