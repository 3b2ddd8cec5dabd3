import { asError } from "../platform/index.js";
import type { MemberConfig } from "./config/index.js";
import type { Member, MemberEnvironment } from "./member/index.js";

/**
 * Warms up a member that is ready; resolves once nothing of the warm-up is left. An error is a line of the debug log. The code for
 * it is loaded here: no start waits for that.
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
