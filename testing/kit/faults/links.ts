// The links between the members of a test cluster, and their faults.

import type { SimNetwork, LinkConditions } from "../../index.js";
import { checkOptions, type Duration, toMs } from "../base/index.js";

/** Selects the links between members that a fault affects. Without names: all links. */
export interface LinkFilter {
  /** Name of the sending member. */
  readonly from?: string | undefined;
  /** Name of the receiving member. */
  readonly to?: string | undefined;
}

interface OneWay {
  readonly from: string;
  readonly to: string;
}

/** Injects faults into the links between members. */
export class Links {
  private readonly conditions = new Map<string, Partial<LinkConditions>>();

  constructor(
    private readonly network: SimNetwork,
    private readonly names: readonly string[],
  ) {}

  /** Blocks messages between members of different groups. A member in no group can reach all. */
  partition(groups: readonly (readonly string[])[]): void {
    if (!groups.every(isList))
      throw new TypeError(
        'Cannot partition the members: expected lists of names, as in partition(["m1"], ["m2", "m3"])',
      );
    const names = groups.flat();
    for (const name of names) this.check(name);
    if (new Set(names).size < names.length) throw new TypeError("Cannot partition the members: one is in two groups");
    const groupOf = (name: string): number => groups.findIndex((group) => group.includes(name));
    const isApart = ({ from, to }: OneWay): boolean => {
      const [one, other] = [groupOf(from), groupOf(to)];
      return one >= 0 && other >= 0 && one !== other;
    };
    this.network.cut(this.ways({}).filter(isApart));
  }

  /** Tells whether messages pass between two members in both directions, unless they are lost by chance. */
  isConnected(one: string, other: string): boolean {
    return !this.network.hasCutBetween(one, other);
  }

  /** Blocks messages in one direction. */
  cut(way: OneWay): void {
    this.network.cut(this.ways(way));
  }

  delay(duration: Duration, filter: LinkFilter): void {
    this.change(filter, { minDelayMs: toMs(duration) });
  }

  drop(probability: number, filter: LinkFilter): void {
    this.change(filter, { loss: toProbability(probability) });
  }

  duplicate(probability: number, filter: LinkFilter): void {
    this.change(filter, { repeat: toProbability(probability) });
  }

  /** Removes all faults; delayed messages arrive. */
  heal(): void {
    for (const way of this.ways({})) this.network.setWay(way, undefined);
    this.conditions.clear();
    this.network.healAll();
  }

  private change(filter: LinkFilter, conditions: Partial<LinkConditions>): void {
    checkOptions("change links", filter, ["from", "to"]);
    for (const way of this.ways(filter)) {
      const name = `${way.from} ${way.to}`;
      const changed = { ...this.conditions.get(name), ...conditions };
      this.conditions.set(name, changed);
      this.network.setWay(way, changed);
    }
  }

  private ways({ from, to }: LinkFilter): readonly OneWay[] {
    for (const name of [from, to]) if (name !== undefined) this.check(name);
    const all = this.names.flatMap((one) => this.names.map((other) => ({ from: one, to: other })));
    return all.filter((way) => way.from !== way.to && (from ?? way.from) === way.from && (to ?? way.to) === way.to);
  }

  private check(name: string): void {
    if (!this.names.includes(name)) throw new TypeError(`There is no member ${JSON.stringify(name)}`);
  }
}

const isList = (group: unknown): boolean => Array.isArray(group);

const toProbability = (probability: number): number => {
  if (typeof probability === "number" && probability >= 0 && probability <= 1) return probability;
  throw new RangeError(`Cannot use the probability ${probability}: expected 0 to 1`);
};
