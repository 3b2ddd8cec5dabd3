import type { LogBase } from "./configuration.js";
import type { CurrentTerm } from "./current-term.js";
import { invariant } from "./invariant.js";
import type { Log } from "./log.js";
import type { LogIndex, MemberId, Term } from "./ids.js";
import type { AppendReply, HardState, Outgoing, PeerMessage, Unsaved } from "./types.js";

const nothing: readonly never[] = [];

/**
 * Orders messages and writes: a message is sent at once if the term and vote, and for an acknowledgement the entries, are
 * durable; otherwise it waits for that write. Raft paper, figure 2: "updated on stable storage before responding".
 */
export class Outbox {
  /** The hard state of the last write, and the durable one. */
  private written: HardState;
  private durable: HardState;
  private writing: Unsaved | undefined;
  private messages: Outgoing[] = [];
  private replies: Outgoing[] = [];

  /** @param hardState the recovered hard state */
  constructor(
    private readonly log: Log,
    private readonly current: CurrentTerm,
    hardState: HardState,
  ) {
    this.written = this.durable = hardState;
  }

  /** Tells whether term and vote are on disk. */
  get isHardStateDurable(): boolean {
    const { term, vote } = this.current;
    return this.durable.term === term && this.durable.vote === vote;
  }

  /** Sends a message once term and vote are durable. */
  send(to: MemberId, message: PeerMessage): void {
    (this.isHardStateDurable ? this.messages : this.replies).push({ to, message });
  }

  /** Sends a message that depends on no durable state. */
  sendNow(to: MemberId, message: PeerMessage): void {
    this.messages.push({ to, message });
  }

  /** Acknowledges to the leader that the logs match up to `index`, once the entries are durable. */
  acknowledgeAppend(to: MemberId, index: LogIndex): void {
    const message: AppendReply = {
      kind: "appendReply",
      term: this.current.term,
      accepted: true,
      index,
      hintIndex: 0 as LogIndex,
      hintTerm: 0 as Term,
    };
    const isDurable = this.isHardStateDurable && index <= this.log.savedIndex;
    (isDurable ? this.messages : this.replies).push({ to, message });
  }

  /** Drops the waiting replies: they are of a former term. */
  dropReplies(): void {
    this.replies = [];
  }

  /** Returns the messages that may be sent at once. */
  takeMessages(): readonly Outgoing[] {
    if (this.messages.length === 0) return nothing;
    const messages = this.messages;
    this.messages = [];
    return messages;
  }

  /** Returns the next write, with `restart` one that restarts the log; undefined if there is nothing to write or send. */
  takeUnsaved(restart: LogBase | undefined): Unsaved | undefined {
    invariant(this.writing === undefined, "a second write while one is under way");
    if (restart !== undefined) return (this.writing = this.takeRestart(restart));
    const entries = this.log.takeUnwritten();
    const hardState = this.takeChangedHardState(entries.length > 0);
    const mustWrite = hardState !== undefined || entries.length > 0;
    if (!mustWrite && this.replies.length === 0) return undefined;
    const unsaved: Unsaved = { restart: undefined, hardState, entries, replies: this.takeReplies() };
    if (mustWrite) this.writing = unsaved;
    return unsaved;
  }

  private takeReplies(): readonly Outgoing[] {
    if (this.replies.length === 0) return nothing;
    const { replies } = this;
    this.replies = [];
    return replies;
  }

  /** Returns the hard state if it must be written. A new commit index alone is not written: after a crash the leader sends it again. */
  private takeChangedHardState(hasEntries: boolean): HardState | undefined {
    const { term, vote } = this.current;
    const { commit } = this.log;
    const changed =
      term !== this.written.term || vote !== this.written.vote || (hasEntries && commit !== this.written.commit);
    if (!changed) return undefined;
    this.written = { term, vote, commit };
    return this.written;
  }

  private takeRestart(restart: LogBase): Unsaved {
    const { term, vote } = this.current;
    this.written = { term, vote, commit: restart.index };
    return { restart, hardState: this.written, entries: [], replies: this.takeReplies() };
  }

  /** Records that `unsaved` is durable. @returns false if it contained nothing to write */
  onSaved(unsaved: Unsaved): boolean {
    if (unsaved !== this.writing) {
      invariant(
        unsaved.hardState === undefined && unsaved.entries.length === 0,
        "the end of a write that did not begin",
      );
      return false;
    }
    this.writing = undefined;
    this.durable = this.written;
    return true;
  }
}
