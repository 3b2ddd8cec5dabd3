import type { CommandEntry, Entry, LogIndex, Term } from "../raft/index.js";

/** Makes an entry with a command. */
export const commandEntry = (index: number, term: number, data: Uint8Array): CommandEntry => ({
  kind: "command",
  index: index as LogIndex,
  term: term as Term,
  data,
});

/** Returns the command of an entry; nothing for the other kinds. */
export const dataOf = (entry: Entry | undefined): Uint8Array =>
  entry?.kind === "command" ? entry.data : new Uint8Array();
