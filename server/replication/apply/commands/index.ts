// The kinds of commands that entries of the log carry, each with the handler that applies it.

export { applyCommand, type CommandResults } from "./commands.js";
export { type AlarmRegistry, Applied, type LeaseListener, type ReplicatedState } from "./handler.js";
