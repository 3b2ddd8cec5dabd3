/** Counts the untaken answers of one connection; `UntakenOfConnection` implements it. */
export interface AnswerAccount {
  /** Whether there is room for an answer to this client that can be refused, as its request had no effect. */
  readonly hasRoom: boolean;
  /** Whether a stream should pause until its client has read its answers. */
  readonly isPressed: boolean;
  keep(bytes: number): void;
  release(bytes: number): void;
}
