import type { Notice } from "./types.js";

const nothing: readonly never[] = [];

/** The events for the member around the core, until they are taken. */
export class Notices {
  private notices: Notice[] = [];

  /** Adds a notice. */
  addNotice(notice: Notice): void {
    this.notices.push(notice);
  }

  /** Withdraws the requests for snapshots: this member leads no more, and the next leader makes its own. */
  withdrawSnapshots(): void {
    this.notices = this.notices.filter(({ kind }) => kind !== "snapshotNeeded");
  }

  /** Returns the notices since the last call. */
  takeNotices(): readonly Notice[] {
    if (this.notices.length === 0) return nothing;
    const { notices } = this;
    this.notices = [];
    return notices;
  }
}
