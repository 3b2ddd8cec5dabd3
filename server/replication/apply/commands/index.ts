// The kinds of commands in the log's entries, each with its handler.

export { applyCommand, type CommandResults } from "./commands.js";
export { type AlarmRegistry, Applied, type ReplicatedState } from "./handler.js";
