import type { MemberAttributes } from "../../../../proto/index.js";
import type { MemberId } from "../../../../raft/index.js";
import type { Sliced } from "../../../../store/index.js";
import type { ReplicatedState } from "./handler.js";

/** A member tells its name and client URLs after it has started. */
export function* publish(
  { member, name, clientUrls }: MemberAttributes,
  { members }: ReplicatedState,
): Sliced<undefined> {
  members.publish(member as MemberId, { name, clientURLs: clientUrls });
  return undefined;
}
