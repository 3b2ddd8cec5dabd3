import { AlarmRequest_AlarmAction as Action, AlarmType } from "../../proto/index.js";
import type { KvStore } from "../../store/index.js";
import { ServerError } from "../base/index.js";
import type { Reads } from "../replication/index.js";
import type { Operation } from "./application.js";

export interface AlarmParts {
  readonly store: Pick<KvStore, "revision">;
  readonly reads: Pick<Reads, "whenLinearizable">;
}

const actions = new Set<number>(Object.values(Action));

/**
 * etcd's Alarm for a cluster in which no alarm is ever active: there is no quota to exceed, and a member that finds damage
 * stops. The list is empty, and so is the answer to deactivating an alarm. As in etcd a quorum has to confirm even that, so
 * a health check fails without one.
 */
export const alarmOperation =
  ({ store, reads }: AlarmParts): Operation<"alarm"> =>
  (_caller, { action, alarm }, handler) => {
    if (!actions.has(action)) throw new ServerError("invalid-alarm-action", `unknown action ${action}`);
    if (action === Action.ACTIVATE && alarm !== AlarmType.NONE)
      throw new ServerError("alarm-not-supported", `alarm ${alarm} cannot be activated`);
    reads.whenLinearizable({
      deadline: 0,
      onReady: () => handler.onResult({ response: { header: undefined, alarms: [] }, revision: store.revision }),
      onError: (error) => handler.onError(error),
    });
  };
