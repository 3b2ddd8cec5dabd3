import type { Machine } from "../machine/index.js";

/** The restarts of a cluster's members, which depend on each other: a member serves clients only when a majority runs. */
export class Restarts {
  /** The starts of members that do not serve clients yet. */
  private readonly pending = new Set<Promise<void>>();

  constructor(private readonly machines: readonly Machine[]) {}

  /**
   * Starts a member again.
   *
   * @returns when the member serves clients, and all members that have waited for a majority; if too many members are down or
   * frozen for a majority, already when it has read its disk: a test that restarts one member after the other would wait forever
   * @throws the error of a member that cannot start
   */
  async restart(machine: Machine): Promise<void> {
    let serving = Promise.resolve();
    const opened = new Promise<void>((resolve) => {
      serving = machine.start(resolve);
    });
    this.pending.add(serving);
    const forget = (): void => void this.pending.delete(serving);
    serving.then(forget, forget); // if no caller waits, the error is still in the member's `failure`
    await Promise.race([opened, serving]);
    if (this.isMajorityUp) await Promise.all(this.pending);
  }

  private get isMajorityUp(): boolean {
    const up = this.machines.filter(({ state }) => state === "running" || state === "starting");
    return up.length > this.machines.length / 2;
  }
}
