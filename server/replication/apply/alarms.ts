import { type AlarmMember, AlarmType } from "../../../proto/index.js";
import { ServerError } from "../../base/index.js";
import type { AlarmRegistry } from "./commands/index.js";

/**
 * The maximum number of active alarms: any client may activate alarms for ids of no member. A further one is refused with "too
 * many requests".
 */
const maxAlarms = 256;

/** The active alarms of all members: replicated, and stored as rows of a table. */
export class Alarms implements AlarmRegistry {
  /** The active alarms by type, then by member. A change replaces the list. */
  private active: readonly AlarmMember[];

  constructor(active: readonly AlarmMember[] = []) {
    this.active = [...active].sort(byTypeAndMember);
  }

  /** All active alarms. */
  get all(): readonly AlarmMember[] {
    return this.active;
  }

  /** Returns the active alarms of one type; of every type for NONE. */
  ofType(type: AlarmType): readonly AlarmMember[] {
    return type === AlarmType.NONE ? this.active : this.active.filter(({ alarm }) => alarm === type);
  }

  /** Whether an alarm of this type is active. */
  isActive(type: AlarmType): boolean {
    return this.active.some(({ alarm }) => alarm === type);
  }

  activate(activated: AlarmMember): readonly AlarmMember[] {
    if (activated.alarm === AlarmType.NONE) return [];
    const known = this.active.find((other) => byTypeAndMember(other, activated) === 0);
    if (known !== undefined) return [known];
    if (this.active.length >= maxAlarms)
      throw new ServerError("too-many-requests", `${maxAlarms} alarms are active already`);
    this.active = [...this.active, activated].sort(byTypeAndMember);
    return [activated];
  }

  deactivate(deactivated: AlarmMember): readonly AlarmMember[] {
    const before = this.active;
    this.active = before.filter((other) => byTypeAndMember(other, deactivated) !== 0);
    return this.active.length < before.length ? [deactivated] : [];
  }
}

const byTypeAndMember = (a: AlarmMember, b: AlarmMember): number => {
  if (a.alarm !== b.alarm) return a.alarm - b.alarm;
  return a.memberID < b.memberID ? -1 : a.memberID > b.memberID ? 1 : 0;
};
