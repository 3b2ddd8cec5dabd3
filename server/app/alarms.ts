import { type AlarmMember, AlarmRequest_AlarmAction as Action, AlarmType } from "../../proto/index.js";
import type { KvStore } from "../../store/index.js";
import { ServerError } from "../base/index.js";
import type { Applier, CommandResults } from "../replication/apply/index.js";
import type { Proposals, Reads } from "../replication/index.js";
import { clientUser } from "./access.js";
import type { Operation } from "./application.js";

/** The components on which etcd's Alarm acts. */
export interface AlarmParts {
  readonly store: Pick<KvStore, "revision">;
  readonly applier: Pick<Applier, "alarms" | "auth">;
  readonly proposals: Pick<Proposals<CommandResults>, "propose">;
  readonly reads: Pick<Reads, "startRead">;
}

const actions = new Set<number>(Object.values(Action));
const types = new Set<number>(Object.values(AlarmType));

/** etcd's Alarm: lists the active alarms, with a quorum; or activates or deactivates an alarm of a member. */
export const alarmOperation =
  ({ store, applier, proposals, reads }: AlarmParts): Operation<"alarm"> =>
  (caller, request, handler) => {
    const { action, alarm } = request;
    if (!actions.has(action)) throw new ServerError("invalid-alarm-action", `unknown action ${action}`);
    if (!types.has(alarm)) throw new ServerError("invalid-alarm", `unknown alarm ${alarm}`);
    const onError = (error: unknown): void => handler.onError(error);
    if (action === Action.GET)
      reads.startRead({
        dueSweep: 0,
        onReady: () => handler.onResult(answer(applier.alarms.ofType(alarm), store.revision)),
        onError,
      });
    else
      proposals.propose(
        { $case: "alarm", value: request },
        { onResult: ({ alarms, revision }) => handler.onResult(answer(alarms, revision)), onError },
        clientUser(caller, applier.auth),
      );
  };

const answer = <Revision>(alarms: readonly AlarmMember[], revision: Revision) => ({
  response: { header: undefined, alarms },
  revision,
});

const alarmNames: readonly string[] = ["NONE", "NOSPACE", "CORRUPT"];

/** Returns etcd's name of a type of alarm. */
export const alarmName = (type: AlarmType): string => alarmNames[type] ?? String(type);

/** Describes an alarm as etcd 3.7 does among the errors of a member's status: with two spaces. */
export const alarmText = ({ memberID, alarm }: AlarmMember): string =>
  `${memberID === 0n ? "" : `memberID:${memberID}  `}alarm:${alarmName(alarm)}`;
