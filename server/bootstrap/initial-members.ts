// Finds the initial members of a new cluster, with etcd's checks.

import { type HostResolver, systemHosts } from "../../platform/dns/index.js";
import { StartError } from "../base/index.js";
import type { InitialMember, MemberConfig } from "../config/index.js";
import { differenceOf, type LookupEnvironment } from "./advertised-urls.js";
import { discoverMembers, type SearchEnvironment } from "./dns-discovery.js";

/** The initial members of a new cluster. */
export interface InitialMembers {
  readonly all: readonly InitialMember[];
  readonly self: InitialMember;
  /**
   * The name for which the certificates of peers must be valid, in place of the hosts of their URLs: the domain, if DNS has
   * given https URLs and no certificate authority is configured. Undefined: the hosts.
   */
  readonly certificateName: string | undefined;
}

/**
 * Finds the members of a new cluster, by flags or in DNS. Called only for a new data directory, which records them: afterwards
 * the `initial-*` flags and DNS have no effect.
 *
 * @throws StartError with etcd's text, if this member is not among them with its advertised URLs
 */
export const findInitialMembers = async (
  config: MemberConfig,
  { clock, random, logger }: LookupEnvironment & Pick<SearchEnvironment, "random">,
  resolver: HostResolver = systemHosts(),
): Promise<InitialMembers> => {
  const { name } = config.member;
  const { discovery } = config.initialCluster;
  const advertised = config.urls.advertisePeer;
  const all =
    discovery === undefined
      ? config.initialCluster.members
      : await discoverMembers(discovery, { name, peerUrls: advertised }, { resolver, random, logger });
  const self = all.find((member) => member.name === name);
  if (self === undefined)
    throw new StartError(`couldn't find local name ${JSON.stringify(name)} in the initial cluster configuration`);
  const difference = await differenceOf(self, advertised, { clock, logger }, resolver);
  if (difference !== undefined) throw new StartError(difference);
  refuseRepeated(all);
  const isSecure = all.some(({ peerUrls }) => peerUrls.some((url) => url.startsWith("https://")));
  const isVouchedFor = config.security.tls.peer?.rules.trustedCa !== undefined;
  return { all, self, certificateName: isSecure && !isVouchedFor ? discovery?.domain : undefined };
};

const refuseRepeated = (members: readonly InitialMember[]): void => {
  const urls = members.flatMap(({ peerUrls }) => peerUrls);
  if (new Set(urls).size === urls.length) return;
  const shown = members.flatMap(({ name, peerUrls }) => peerUrls.map((url) => `${name}=${url}`));
  throw new StartError(`initial cluster ${shown.sort().join(",")} has duplicate url`);
};
