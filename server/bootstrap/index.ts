// The initial members of a new cluster, from flags or DNS.

export { findInitialMembers, type InitialMembers } from "./initial-members.js";
