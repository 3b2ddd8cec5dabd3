import type { AlarmMember } from "../../proto/index.js";

/** The alarms that this member has applied; `Applier` implements it. */
export interface AppliedAlarms {
  readonly alarms: { readonly all: readonly AlarmMember[] };
}
