// Messages between a member process and the supervisor that started it, over Node's IPC channel.

/** A message of a member to its supervisor. */
export type MemberEvent =
  | { readonly kind: "ready" }
  /** The member has stopped serving clients, as the supervisor asked. */
  | { readonly kind: "drained" }
  /** Ids as hex digits; `leader` is "" while the leader is unknown. */
  | { readonly kind: "leader"; readonly self: string; readonly leader: string; readonly term: number }
  /** An error that the member has logged; the member continues. */
  | { readonly kind: "problem"; readonly text: string }
  /** The data directory is of a cluster in which this member has other peer URLs: the members do not reach each other at the given ones. */
  | { readonly kind: "other-peer-urls"; readonly used: string }
  /** The member cannot start or continue. */
  | { readonly kind: "failed"; readonly reason: string };

/** The command to stop serving clients. A member is stopped by a signal, not by a message. */
export interface SupervisorCommand {
  readonly kind: "drain";
}

/** Sends an event to the supervisor, if there is one. */
export const tellSupervisor = (event: MemberEvent): void => {
  if (process.send !== undefined && process.connected) process.send(event);
};
