// A data directory checked without a member.

export { verifyDataDirectory, type Finding, type VerifyOptions } from "./verify.js";
