// Alarms in the order of the log: under NOSPACE no write that takes space is applied, and all others are.

import assert from "node:assert/strict";
import {
  type AlarmMember,
  type AlarmRequest,
  AlarmRequest_AlarmAction as Action,
  AlarmType,
  type RequestOp,
} from "../../../proto/index.js";
import type { Host } from "../../../testing/index.js";
import { type CarriedOut, type DecodedProposal, onCarriedOut } from "./carried-out.js";
import type { World } from "./world.js";

type Command = NonNullable<DecodedProposal["command"]>;

/** The active alarms as sorted texts, and the time from which they were active. */
interface Turn {
  readonly at: number;
  readonly alarms: readonly string[];
}

/**
 * The active alarms as a naive reader of the log computes them. The cluster must have no users: the reader does not compute refusals for
 * lack of rights.
 */
export class AlarmPromises {
  private readonly active = new Set<string>();
  private readonly turns: Turn[] = [{ at: 0, alarms: [] }];

  constructor(private readonly world: World) {
    onCarriedOut(world.history, (carriedOut) => this.check(carriedOut));
  }

  /** Checks that the listed alarms were the active ones at some moment since the request. */
  checkList(askedAt: number, alarms: readonly AlarmMember[]): void {
    const list = alarms.map(textOf).sort();
    const before = this.turns.findLastIndex(({ at }) => at <= askedAt);
    const possible = this.turns.slice(before).map((turn) => turn.alarms.join(", "));
    assert.ok(possible.includes(list.join(", ")), `listed as active: ${list.join(", ")}; were: ${possible.join("; ")}`);
  }

  /** Checks that all members have the same alarms. */
  checkAtTheEnd(hosts: readonly Host[]): void {
    for (const { name, running } of hosts) {
      const alarms = running?.replica.applier.alarms.all ?? [];
      assert.deepEqual(alarms.map(textOf).sort(), [...this.active].sort(), `alarms of ${name}`);
    }
  }

  private check({ entry, proposal: { command }, effects }: CarriedOut): void {
    if (command === undefined) return;
    if (command.$case === "alarm") return this.change(command.value);
    if (!storeKinds.has(command.$case)) return;
    const isRefused = this.isFull && takesSpace(command);
    const what = `entry ${entry.index}, ${command.$case}, while ${this.isFull ? "NOSPACE is active" : "no alarm is"}`;
    if (isRefused) {
      this.world.counts.spaceRefusals++;
      assert.equal(effects.length, 0, `carried out: ${what}`);
    } else assert.equal(effects.length, 1, `not carried out: ${what}`);
  }

  private get isFull(): boolean {
    return this.active.size > 0;
  }

  private change({ action, memberID, alarm }: AlarmRequest): void {
    assert.equal(alarm, AlarmType.NOSPACE, "no other alarm is raised");
    const named = textOf({ memberID, alarm });
    if (action === Action.ACTIVATE) {
      if (!this.active.has(named)) this.world.counts.alarms++;
      this.active.add(named);
    } else this.active.delete(named);
    this.turns.push({ at: this.world.scheduler.now, alarms: [...this.active].sort() });
  }
}

const textOf = ({ memberID, alarm }: AlarmMember): string => `${alarm} of ${memberID}`;

/** Commands with one write to the store. */
const storeKinds = new Set<Command["$case"]>(["put", "deleteRange", "txn", "leaseGrant", "leaseRevoke", "compact"]);

const takesSpace = (command: Command): boolean => {
  if (command.$case === "txn") return [...command.value.success, ...command.value.failure].some(mayPut);
  return command.$case === "put" || command.$case === "leaseGrant";
};

const mayPut = ({ request }: RequestOp): boolean => {
  if (request?.$case === "requestTxn") return [...request.value.success, ...request.value.failure].some(mayPut);
  return request?.$case === "requestPut";
};
