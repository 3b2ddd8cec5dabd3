// The commands of minietcd: a member, a local cluster, a check of a directory.

export { helpText } from "./help.js";
export { isCommand, loadCommands } from "./load-commands.js";
export { refuseFlags, runMember } from "./run-member.js";
