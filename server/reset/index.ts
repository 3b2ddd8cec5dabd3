// A member that lost its data, rebuilt from the directories of all other members.

export { resetMember, type ResetOptions, type ResetReport } from "./reset-member.js";
