import { asError } from "../platform/index.js";
import type { MemberConfig } from "./config/index.js";
import type { Member, MemberEnvironment } from "./member/index.js";

/**
 * Warms up a member that is ready; resolves at the end of the warm-up. An error is a line of the debug log. The code for the
 * warm-up is loaded here, so that no start waits for that.
 */
export const warmUpMember = async (
  member: Member,
  config: MemberConfig,
  environment: MemberEnvironment,
): Promise<void> => {
  try {
    const { startWarmUp } = await import("./warm-up/index.js");
    await startWarmUp(member, config, environment).ended;
  } catch (error) {
    environment.logger.debug("warm-up has failed", { error: asError(error) });
  }
};
