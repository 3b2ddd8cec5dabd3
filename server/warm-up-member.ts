import { asError } from "../platform/index.js";
import type { MemberConfig } from "./config/index.js";
import type { Member, MemberEnvironment } from "./member/index.js";

/**
 * Warms up a member that is ready; resolves at the end of the warm-up. An error is logged at debug level. The code of the warm-up is
 * imported here and not at the start of the program, which would take longer.
 */
export const warmUpMember = async (
  member: Member,
  config: MemberConfig,
  environment: MemberEnvironment,
): Promise<void> => {
  try {
    const { startWarmUp } = await import("./warm-up/index.js");
    await startWarmUp(member, config, environment).whenEnded;
  } catch (error) {
    environment.logger.debug("warm-up has failed", { error: asError(error) });
  }
};
