import type { MemberEnvironment, MemberServices, Replica } from "../../server/member/index.js";
import type { SimProcess } from "../index.js";

/** A member that serves clients. */
export interface RunningMember {
  readonly process: SimProcess;
  readonly replica: Replica;
  readonly services: MemberServices;
  /** The same without the faults of requests; made when first asked for. */
  readonly plainServices: MemberServices;
  readonly environment: MemberEnvironment;
}
