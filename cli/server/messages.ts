// What a member process tells the supervisor that started it, over the channel between them.

export type MemberEvent =
  | { readonly kind: "ready" }
  /** Ids as hex digits; `leader` is "" while none is known. */
  | { readonly kind: "leader"; readonly self: string; readonly leader: string; readonly term: number }
  /** It cannot start or go on, and why. */
  | { readonly kind: "failed"; readonly reason: string };

/** Tells the supervisor, if there is one. */
export const tellSupervisor = (event: MemberEvent): void => {
  if (process.send !== undefined && process.connected) process.send(event);
};
