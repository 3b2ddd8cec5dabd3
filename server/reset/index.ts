// Rebuilds a member that lost its data, from the directories of all other members.

export { resetMember, type ResetOptions, type ResetReport } from "./reset-member.js";
