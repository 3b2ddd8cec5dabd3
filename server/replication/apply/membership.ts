import type { Member } from "../../../proto/index.js";
import { Configuration, type MemberId } from "../../../raft/index.js";

/** The members of the cluster as of the last applied entry: replicated, and stored as rows of a table. */
export class Membership {
  private readonly byId: Map<MemberId, Member>;
  /** A list of the members, which is not changed; undefined: the members have changed since it was built. */
  private listed: readonly Member[] | undefined = undefined;

  constructor(members: readonly Member[]) {
    this.byId = new Map(
      [...members].sort((a, b) => (a.ID < b.ID ? -1 : 1)).map((member) => [member.ID as MemberId, member]),
    );
  }

  /** The members as a configuration of consensus. */
  get configuration(): Configuration {
    return new Configuration(
      this.all.map(({ ID, isLearner, peerURLs }) => ({ id: ID as MemberId, isLearner, addresses: peerURLs })),
    );
  }

  /** Applies a new configuration. Members that remain keep their published attributes. */
  configure({ members }: Configuration): void {
    const before = new Map(this.byId);
    this.byId.clear();
    this.listed = undefined;
    for (const { id, isLearner, addresses } of members) {
      const { name, clientURLs } = before.get(id) ?? { name: "", clientURLs: [] };
      this.byId.set(id, { ID: id, name, peerURLs: [...addresses], clientURLs, isLearner });
    }
  }

  /** All members, by ascending id. */
  get all(): readonly Member[] {
    return (this.listed ??= [...this.byId.values()]);
  }

  /** Records the published name and client URLs of a member; ignored if the member has been removed. */
  publish(id: MemberId, attributes: { readonly name: string; readonly clientURLs: readonly string[] }): void {
    const member = this.byId.get(id);
    if (member === undefined) return;
    this.byId.set(id, { ...member, ...attributes });
    this.listed = undefined;
  }
}
