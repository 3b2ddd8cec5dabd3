import { AlarmRequest, AlarmRequest_AlarmAction as Action, AlarmResponse, AlarmType } from "../../proto/index.js";
import type { KvStore } from "../../store/index.js";
import { ServerError } from "../base/index.js";
import type { Reads } from "../replication/index.js";
import { type Method, unary } from "../rpc/index.js";
import type { ResponseHeaders } from "./response-header.js";

export interface AlarmServiceOptions {
  readonly store: Pick<KvStore, "revision">;
  readonly reads: Pick<Reads, "whenLinearizable">;
  readonly headers: ResponseHeaders;
}

const actions = new Set<number>(Object.values(Action));

/**
 * etcdserverpb.Maintenance/Alarm for a cluster in which no alarm is ever active: there is no quota to exceed, and a member
 * that finds damage stops. The list is empty, and so is the answer to deactivating an alarm. As in etcd a quorum has to
 * confirm even that, so a health check fails without one.
 */
export const alarmMethod = ({ store, reads, headers }: AlarmServiceOptions): Method =>
  unary("/etcdserverpb.Maintenance/Alarm", AlarmRequest, AlarmResponse, ({ action, alarm }, _call, reply) => {
    if (!actions.has(action)) throw new ServerError("invalid-alarm-action", `unknown action ${action}`);
    if (action === Action.ACTIVATE && alarm !== AlarmType.NONE)
      throw new ServerError("alarm-not-supported", `alarm ${alarm} cannot be activated`);
    reads.whenLinearizable(() => reply.send({ header: headers.at(store.revision), alarms: [] }), reply.fail);
  });
