import { Configuration, type CommandEntry, type Entry, type LogIndex, type Term } from "../raft/index.js";
import { toMemberId } from "./ids.js";

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

/** Makes a configuration of voters without addresses. */
export const votersOnly = (...ids: readonly bigint[]): Configuration =>
  new Configuration(ids.map((id) => ({ id: toMemberId(id), isLearner: false, addresses: [] })));
