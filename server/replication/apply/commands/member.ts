import type { MemberAttributes } from "../../../../proto/index.js";
import type { MemberId } from "../../../../raft/index.js";
import type { Sliced } from "../../../../store/index.js";
import type { ReplicatedState } from "./handler.js";

/** Records the name and client URLs of a member, which it proposes after each start. */
export function* publish(
  { member, name, clientUrls }: MemberAttributes,
  { members }: ReplicatedState,
): Sliced<undefined> {
  members.publish(member as MemberId, { name, clientURLs: clientUrls });
  return undefined;
}
