import type { ProposalUser } from "../../proto/index.js";
import type { Caller } from "../base/index.js";

/** A caller whose user is known. */
export class AuthorizedCaller implements Caller {
  constructor(
    private readonly caller: Caller,
    readonly user: ProposalUser,
  ) {}

  get certificateName(): string | undefined {
    return this.caller.certificateName;
  }

  get remoteAddress(): string | undefined {
    return this.caller.remoteAddress;
  }

  metadata(key: string): string | undefined {
    return this.caller.metadata(key);
  }

  deadline(): number {
    return this.caller.deadline();
  }
}
