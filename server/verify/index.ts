// Checks a data directory without a member.

export {
  examineFiles,
  verifyDataDirectory,
  type Examination,
  type Finding,
  type MemberState,
  type VerifyOptions,
} from "./verify.js";
