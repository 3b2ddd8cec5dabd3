import type { Proposal } from "../../proto/index.js";

/** A change of replicated state, in an entry of the log. */
export type Command = NonNullable<Proposal["command"]>;
/** The name of a kind of command: its case in the message `Proposal`. */
export type CommandKind = Command["$case"];

/** The value of each kind of command. */
export type CommandValues = { readonly [Each in Command as Each["$case"]]: Each["value"] };

/** A command of one kind, or of one of several. */
export type CommandOf<Kind extends CommandKind> = {
  [Each in Kind]: { readonly $case: Each; readonly value: CommandValues[Each] };
}[Kind];

/** The result of each kind of command on the member that proposed it. */
export type ResultsByKind = Readonly<Record<CommandKind, unknown>>;
