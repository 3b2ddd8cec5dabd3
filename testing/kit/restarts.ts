import type { Machine } from "./machine.js";

/** The restarts of a cluster's members, which need each other: a member serves clients once a majority runs. */
export class Restarts {
  /** The starts of members that do not serve yet. */
  private readonly pending = new Set<Promise<void>>();

  constructor(private readonly machines: readonly Machine[]) {}

  /**
   * Starts a member again.
   *
   * @returns when it serves clients, with all that have waited for a majority; if so many members are down or frozen that there is
   * none, already when it has read its disk: who restarts one after the other would wait forever
   * @throws the error of a member that cannot start
   */
  async restart(machine: Machine): Promise<void> {
    let serving = Promise.resolve();
    const opened = new Promise<void>((resolve) => {
      serving = machine.start(resolve);
    });
    this.pending.add(serving);
    const forget = (): void => void this.pending.delete(serving);
    serving.then(forget, forget); // the error of one that nobody waits for is its `failure`
    await Promise.race([opened, serving]);
    if (this.isMajorityUp) await Promise.all(this.pending);
  }

  private get isMajorityUp(): boolean {
    const up = this.machines.filter(({ state }) => state === "running" || state === "starting");
    return up.length > this.machines.length / 2;
  }
}
