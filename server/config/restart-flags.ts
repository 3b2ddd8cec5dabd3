import type { Member } from "../../proto/index.js";
import type { MemberId } from "../../raft/index.js";
import { defaultFlags, type InitialMember, type MemberConfig } from "./config.js";
import { memberIdOf } from "./identity.js";
import type { Logger } from "../base/index.js";

const ignoredText = (flag: string): string => `--${flag} is ignored: the cluster has already been initialized`;

/** The warning about peer URLs other than those of the data directory; its field `used` has those. */
export const ignoredPeerUrlsText = ignoredText("initial-advertise-peer-urls");

/**
 * Logs the ignored flags of a start on an existing data directory, and a changed `--name`. The directory states the cluster and its
 * members; only `--name` and `--advertise-client-urls` can change.
 */
export const logIgnoredFlags = (
  config: MemberConfig,
  { memberId, members }: { readonly memberId: MemberId; readonly members: readonly Member[] },
  logger: Logger,
): void => {
  const self = members.find(({ ID }) => ID === memberId);
  logger.info("server has already been initialized", { "data-dir": config.member.dataDir, "dir-type": "member" });
  if (self === undefined) return;
  if (self.name !== "" && self.name !== config.member.name)
    logger.warn("--name changes this member's name", { from: self.name, to: config.member.name });
  const ignore = (flag: string, given: string, used: string): void => logger.warn(ignoredText(flag), { given, used });
  const cluster = initialClusterText(members.map(({ name, peerURLs }) => ({ name, peerUrls: peerURLs })));
  if (config.initialCluster.isGiven && !areSameMembers(config.initialCluster.members, members))
    ignore("initial-cluster", initialClusterText(config.initialCluster.members), cluster);
  const advertised = config.urls.advertisePeer.map(({ text }) => text).join(",");
  if (advertised !== defaultFlags.initialAdvertisePeerUrls && !areSameUrls(advertised.split(","), self.peerURLs))
    ignore("initial-advertise-peer-urls", advertised, self.peerURLs.join(","));
  const { token } = config.initialCluster;
  if (token !== defaultFlags.initialClusterToken && memberIdOf(self.peerURLs, token) !== memberId)
    ignore("initial-cluster-token", token, "the token of the first start");
};

const initialClusterText = (members: readonly InitialMember[]): string =>
  members.flatMap(({ name, peerUrls }) => peerUrls.map((url) => `${name}=${url}`)).join(",");

/** Names are compared for members that have published one. */
const areSameMembers = (given: readonly InitialMember[], members: readonly Member[]): boolean =>
  given.length === members.length &&
  given.every(({ name, peerUrls }) =>
    members.some((member) => areSameUrls(peerUrls, member.peerURLs) && (member.name === "" || member.name === name)),
  );

const areSameUrls = (a: readonly string[], b: readonly string[]): boolean =>
  [...a].sort().join(",") === [...b].sort().join(",");
