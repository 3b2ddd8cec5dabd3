// Messages between a member process and the supervisor that started it, over the channel that Node gives them.

/** A message of a member to its supervisor. */
export type MemberEvent =
  | { readonly kind: "ready" }
  /** The member has let go of its clients, as it was told. */
  | { readonly kind: "drained" }
  /** Ids as hex digits; `leader` is "" while none is known. */
  | { readonly kind: "leader"; readonly self: string; readonly leader: string; readonly term: number }
  /** An error that the member logged and goes on after. */
  | { readonly kind: "problem"; readonly text: string }
  /** The member cannot start or go on. */
  | { readonly kind: "failed"; readonly reason: string };

/** A command to let go of clients. A signal, not a message, makes a member stop. */
export interface SupervisorCommand {
  readonly kind: "drain";
}

/** Tells the supervisor, if there is one. */
export const tellSupervisor = (event: MemberEvent): void => {
  if (process.send !== undefined && process.connected) process.send(event);
};
