import { invariant } from "./invariant.js";
import type { Log } from "./log.js";
import type {
  AppendReply,
  HardState,
  LogIndex,
  LogPosition,
  MemberId,
  Outgoing,
  PeerMessage,
  Term,
  Unsaved,
} from "./types.js";

export interface OutboxOptions {
  readonly log: Log;
  /** As recovered. */
  readonly hardState: HardState;
  /** This member's term and vote now. */
  readonly current: () => Pick<HardState, "term" | "vote">;
}

const nothing: readonly never[] = [];

/**
 * What a member says, and what it must have written before: a message leaves at once if the term and vote it speaks of, and
 * for an acknowledgement the entries, are durable; otherwise it waits for the write that makes them so. Hence nothing said
 * is ever forgotten. Raft paper, figure 2: "updated on stable storage before responding".
 */
export class Outbox {
  private readonly log: Log;
  private readonly current: OutboxOptions["current"];
  /** What was last handed to the disk, and what is durable of it. */
  private written: HardState;
  private durable: HardState;
  private writing: Unsaved | undefined;
  private messages: Outgoing[] = [];
  private replies: Outgoing[] = [];

  constructor({ log, hardState, current }: OutboxOptions) {
    this.log = log;
    this.current = current;
    this.written = this.durable = hardState;
  }

  /** Whether term and vote are on disk. */
  get isHardStateDurable(): boolean {
    const { term, vote } = this.current();
    return this.durable.term === term && this.durable.vote === vote;
  }

  /** Sends once term and vote are durable. */
  send(to: MemberId, message: PeerMessage): void {
    (this.isHardStateDurable ? this.messages : this.replies).push({ to, message });
  }

  /** Sends what speaks of nothing durable. */
  sendNow(to: MemberId, message: PeerMessage): void {
    this.messages.push({ to, message });
  }

  /** Tells the leader that our log agrees with its own up to `index`, as soon as a crash could not undo it. */
  acknowledgeAppend(to: MemberId, index: LogIndex): void {
    const message: AppendReply = {
      kind: "appendReply",
      term: this.current().term,
      accepted: true,
      index,
      hintIndex: 0 as LogIndex,
      hintTerm: 0 as Term,
    };
    const isDurable = this.isHardStateDurable && index <= this.log.saved;
    (isDurable ? this.messages : this.replies).push({ to, message });
  }

  /** The term is new: answers of an older one are of use to nobody. */
  dropReplies(): void {
    this.replies = [];
  }

  takeMessages(): readonly Outgoing[] {
    if (this.messages.length === 0) return nothing;
    const messages = this.messages;
    this.messages = [];
    return messages;
  }

  /** The next write; with `restart`, one that has the log begin anew. Undefined: nothing to write, nothing to say. */
  takeUnsaved(restart: LogPosition | undefined): Unsaved | undefined {
    invariant(this.writing === undefined, "a second write while one is under way");
    const batch = restart === undefined ? this.takeBatch() : this.takeRestart(restart);
    const mustWrite = batch.hardState !== undefined || batch.entries.length > 0;
    if (!mustWrite && this.replies.length === 0) return undefined;
    const unsaved = { ...batch, replies: this.replies };
    this.replies = [];
    if (mustWrite) this.writing = unsaved;
    return unsaved;
  }

  private takeBatch() {
    const entries = this.log.takeUnwritten();
    return { restart: undefined, hardState: this.takeChangedHardState(entries.length > 0), entries };
  }

  /** The commit index rides along with what must be written anyway; after a crash it is learned again. */
  private takeChangedHardState(hasEntries: boolean): HardState | undefined {
    const { term, vote } = this.current();
    const { commit } = this.log;
    const changed =
      term !== this.written.term || vote !== this.written.vote || (hasEntries && commit !== this.written.commit);
    if (!changed) return undefined;
    this.written = { term, vote, commit };
    return this.written;
  }

  private takeRestart(restart: LogPosition) {
    const { term, vote } = this.current();
    this.written = { term, vote, commit: restart.index };
    return { restart, hardState: this.written, entries: nothing as readonly [] };
  }

  /** @returns whether there was anything to write, which is durable now */
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
