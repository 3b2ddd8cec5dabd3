// The members that a new cluster begins with: named by flags, or found in DNS.

export { findInitialMembers, type InitialMembers } from "./initial-members.js";
