// What a member process and the supervisor that started it tell each other, over the channel between them.

export type MemberEvent =
  | { readonly kind: "ready" }
  /** It serves no client any more, as it was told. */
  | { readonly kind: "drained" }
  /** Ids as hex digits; `leader` is "" while none is known. */
  | { readonly kind: "leader"; readonly self: string; readonly leader: string; readonly term: number }
  /** An error that the member logged and goes on after. */
  | { readonly kind: "problem"; readonly text: string }
  /** It cannot start or go on, and why. */
  | { readonly kind: "failed"; readonly reason: string };

/** What a supervisor tells its members: to let go of their clients. A signal tells them to stop. */
export interface SupervisorCommand {
  readonly kind: "drain";
}

/** Tells the supervisor, if there is one. */
export const tellSupervisor = (event: MemberEvent): void => {
  if (process.send !== undefined && process.connected) process.send(event);
};
