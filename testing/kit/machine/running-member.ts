import type { MemberEnvironment, MemberServices, Replica } from "../../../server/member/index.js";
import type { SimProcess } from "../../index.js";

/** A member that serves clients. */
export interface RunningMember {
  readonly process: SimProcess;
  readonly replica: Replica;
  readonly services: MemberServices;
  /** The services without the faults of requests; created at the first use. */
  readonly plainServices: MemberServices;
  readonly environment: MemberEnvironment;
}
