import type { Member } from "../../../proto/index.js";
import { Configuration, type MemberId } from "../../../raft/index.js";

/** The members of the cluster as of the last applied entry: replicated, and stored as rows of a table. */
export class Membership {
  private readonly byId: Map<MemberId, Member>;
  /** The members as a list, which is never changed; undefined: they have changed since it was made. */
  private listed: readonly Member[] | undefined = undefined;

  constructor(members: readonly Member[]) {
    this.byId = new Map(
      [...members].sort((a, b) => (a.ID < b.ID ? -1 : 1)).map((member) => [member.ID as MemberId, member]),
    );
  }

  /** The members as consensus knows them. */
  get configuration(): Configuration {
    return new Configuration(
      this.all.map(({ ID, isLearner, peerURLs }) => ({ id: ID as MemberId, isLearner, addresses: peerURLs })),
    );
  }

  /** Takes over the members of a new configuration. Those that stay keep what they published. */
  configure({ members }: Configuration): void {
    const before = new Map(this.byId);
    this.byId.clear();
    this.listed = undefined;
    for (const { id, isLearner, addresses } of members) {
      const { name, clientURLs } = before.get(id) ?? { name: "", clientURLs: [] };
      this.byId.set(id, { ID: id, name, peerURLs: [...addresses], clientURLs, isLearner });
    }
  }

  /** All members, by id, ascending. */
  get all(): readonly Member[] {
    return (this.listed ??= [...this.byId.values()]);
  }

  /** A member tells its name and client URLs after it has started; who is not a member has nothing to tell. */
  publish(id: MemberId, attributes: { readonly name: string; readonly clientURLs: readonly string[] }): void {
    const member = this.byId.get(id);
    if (member === undefined) return;
    this.byId.set(id, { ...member, ...attributes });
    this.listed = undefined;
  }
}
