// Injects the faults of a plan, and ends all of them when its time is over.

import { seededRandom } from "../../../testing/index.js";
import { diskFaults } from "./disk-faults.js";
import { FaultTools, type FaultsOptions, type Injection } from "./fault-tools.js";
import { memberFaults } from "./member-faults.js";
import { patterns } from "./patterns.js";
import type { Fault, FaultKind } from "./plan.js";
import { wayFaults } from "./way-faults.js";

const injections: Readonly<Record<FaultKind, Injection>> = {
  ...memberFaults,
  ...wayFaults,
  ...diskFaults,
  ...patterns,
};

export class Faults {
  /** Number of injected faults by kind. */
  readonly counts: Record<string, number> = {};
  private readonly tools: FaultTools;

  constructor(options: FaultsOptions) {
    this.tools = new FaultTools(options);
  }

  schedule(fault: Fault): void {
    this.tools.actAfter(fault.at, () => this.inject(fault));
  }

  /** Ends all faults, from now on. */
  healAll(): Promise<void> {
    return this.tools.healAll();
  }

  private inject({ kind, ms, seed, hitsLeader }: Fault): void {
    const { tools } = this;
    const random = seededRandom(seed);
    const any = random.pick(tools.hosts);
    const host = (hitsLeader ? tools.anyLeader(random) : undefined) ?? any;
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
    tools.eventLog.addLine(`fault: ${kind} at ${host.name} for ${ms.toFixed(0)} ms`);
    injections[kind]({ host, ms, random }, tools);
  }
}
