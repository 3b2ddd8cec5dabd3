// The commands of minietcd: a member, a local cluster, a check of a directory.

export { addClusterCommand } from "./cluster.js";
export { helpText } from "./help.js";
export { refuseFlags, runMember } from "./run-member.js";
export { addVerifyCommand } from "./verify.js";
