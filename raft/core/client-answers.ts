import type { ReadState, Refusal, RefusalReason } from "./types.js";

const nothing: readonly never[] = [];

/** The answers to the proposals and reads of this member's clients, until they are taken. */
export class ClientAnswers {
  private readStates: ReadState[] = [];
  private refusals: Refusal[] = [];

  /** Records a confirmed read. */
  confirmRead(read: ReadState): void {
    this.readStates.push(read);
  }

  /** Records that a proposal or read was not accepted. */
  refuse(kind: Refusal["kind"], number: number, reason: RefusalReason): void {
    this.refusals.push({ kind, number, reason });
  }

  /** Returns the confirmed reads since the last call. */
  takeReadStates(): readonly ReadState[] {
    if (this.readStates.length === 0) return nothing;
    const { readStates } = this;
    this.readStates = [];
    return readStates;
  }

  /** Returns the refused proposals and reads since the last call. */
  takeRefusals(): readonly Refusal[] {
    if (this.refusals.length === 0) return nothing;
    const { refusals } = this;
    this.refusals = [];
    return refusals;
  }
}
