// Searches for the smallest set of faults and clients with which a seed still fails.

import { planOf, reduce, type Fault, type Reduction } from "./plan.js";
import { reportOf, describeFailure, type StoryWish } from "./report.js";
import { Simulation, type Result } from "./simulation.js";

export interface ShrinkOptions extends StoryWish {
  readonly onProgress: (text: string) => void;
}

/** Limits of the search: attempts, each a whole simulation, and their time together. */
const maxAttempts = 200;
const maxMs = 180_000;

/** Describes the smallest failing plan of a seed, and the command that runs it. */
export const shrink = async (seed: number, options: ShrinkOptions): Promise<string> => {
  const search = new Search(seed, options);
  const first = await search.begin();
  if (first === undefined) return `SEED=${seed} does not fail`;
  await search.dropClients();
  await search.dropFaults();
  await search.dropClients();
  const { least, result } = search;
  const left = search.faults.map(({ kind, at, ms }) => `${kind} at ${at.toFixed(0)} ms for ${ms.toFixed(0)} ms`);
  return [
    describeFailure(reportOf(result, options), flagsOf(least)),
    `faults that are left: ${left.join("; ") || "none"}`,
    `${search.attempts} attempts${search.isOver ? ", and no time for more" : ""}`,
  ].join("\n");
};

class Search {
  attempts = 0;
  least: Reduction = {};
  private last: Result | undefined;
  private readonly begun = performance.now();

  constructor(
    private readonly seed: number,
    private readonly options: ShrinkOptions,
  ) {}

  /** The failure with the smallest plan found so far. */
  get result(): Result {
    if (this.last === undefined) throw new Error("nothing was run yet");
    return this.last;
  }

  get faults(): readonly Fault[] {
    return reduce(planOf(this.seed), this.least).faults;
  }

  get isOver(): boolean {
    return this.attempts >= maxAttempts || performance.now() - this.begun > maxMs;
  }

  /** Runs the seed without changes. Undefined: it does not fail. */
  async begin(): Promise<Result | undefined> {
    this.last = await this.run({});
    if (this.last.failure === undefined) return undefined;
    const places = this.faults.map((_, place) => place);
    // Faults after the failure did not cause it.
    const { virtualMs } = this.last;
    await this.keepIfFails({ faults: places.filter((place) => (this.faults[place]?.at ?? 0) <= virtualMs) });
    return this.last;
  }

  /** Drops all clients of a kind at once, then one by one. */
  async dropClients(): Promise<void> {
    for (const sort of ["watchClients", "leaseClients", "kvClients"] as const) {
      const { [sort]: had } = reduce(planOf(this.seed), this.least);
      if (had === 0 || (await this.keepIfFails({ [sort]: 0 }))) continue;
      for (let left = had - 1; left > 0 && (await this.keepIfFails({ [sort]: left })); left--);
    }
  }

  /** Drops whole kinds of faults, then ever smaller parts of the list. */
  async dropFaults(): Promise<void> {
    const all = planOf(this.seed).faults;
    const remainingFaults = (): readonly number[] => this.least.faults ?? all.map((_, place) => place);
    for (const kind of new Set(all.map((fault) => fault.kind)))
      await this.keepIfFails({ faults: remainingFaults().filter((place) => all[place]?.kind !== kind) });
    for (let size = Math.ceil(remainingFaults().length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2))
      for (let start = 0; start < remainingFaults().length;) {
        const without = [...remainingFaults().slice(0, start), ...remainingFaults().slice(start + size)];
        if (!(await this.keepIfFails({ faults: without }))) start += size;
      }
  }

  /** Keeps a change if the seed still fails in the same way. */
  private async keepIfFails(change: Reduction): Promise<boolean> {
    const isLess = change.faults === undefined || change.faults.length < this.faults.length;
    if (!isLess || this.isOver) return false;
    this.attempts++;
    const candidate = { ...this.least, ...change };
    const result = await this.run(candidate);
    if (wayOf(result) !== wayOf(this.result)) return false;
    this.least = candidate;
    this.last = result;
    const { faults, kvClients, watchClients, leaseClients } = reduce(planOf(this.seed), candidate);
    const clients = kvClients + watchClients + leaseClients;
    this.options.onProgress(`  still fails with ${faults.length} faults and ${clients} clients`);
    return true;
  }

  private run(reduction: Reduction): Promise<Result> {
    return new Simulation(reduce(planOf(this.seed), reduction)).run();
  }
}

/** Returns the kind of failure, without member and values: failures of different kinds may have nothing in common. */
const wayOf = ({ failure }: Result): string | undefined =>
  failure?.message
    .split("\n")[0]
    ?.replace(/[a-z]+\d+(\.\d+)*/g, "…")
    .replace(/\d+/g, "…");

const flagsOf = ({ faults, kvClients, watchClients, leaseClients }: Reduction): string =>
  Object.entries({ faults: faults?.join(","), kvClients, watchClients, leaseClients })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` --${name.replace("Clients", "-clients")} ${value === "" ? "none" : value}`)
    .join("");
