import { DowngradeRequest_DowngradeAction as Action } from "../../proto/index.js";
import type { KvStore } from "../../store/index.js";
import { type ReportedVersions, ServerError } from "../base/index.js";
import type { Reads } from "../replication/index.js";
import type { Operation } from "./application.js";

/** The components that a request for a downgrade needs. */
export interface DowngradeParts {
  readonly store: Pick<KvStore, "revision">;
  readonly reads: Pick<Reads, "startRead">;
}

const actions = new Set<number>(Object.values(Action));

interface Version {
  readonly major: bigint;
  readonly minor: bigint;
}

/**
 * etcd's Downgrade. Targets are checked as in etcd, after a linearizable read. There is a single format of data: no downgrade
 * can be enabled, and no downgrade is ever in progress.
 */
export const downgradeOperation =
  ({ store, reads }: DowngradeParts, { cluster }: ReportedVersions): Operation<"downgrade"> =>
  (_caller, { action, version }, handler) => {
    if (!actions.has(action)) throw new ServerError("downgrade-action", `unknown action ${action}`);
    const target = action === Action.CANCEL ? undefined : parseVersion(version);
    reads.startRead({
      dueSweep: 0,
      onReady: () => {
        const error = target && refusalOf(target, parseVersion(cluster), action === Action.ENABLE);
        const response = { header: undefined, version: cluster.replace(/\.\d+$/, "") };
        if (error === undefined) handler.onResult({ response, revision: store.revision });
        else handler.onError(error);
      },
      onError: (error) => handler.onError(error),
    });
  };

/** Returns the error of a target. Only the minor version before the cluster's is a valid target. */
const refusalOf = (target: Version, cluster: Version, isEnabling: boolean): ServerError | undefined => {
  if (target.major !== cluster.major || target.minor !== cluster.minor - 1n)
    return new ServerError("downgrade-target", `not the version before ${cluster.major}.${cluster.minor}`);
  return isEnabling ? new ServerError("downgrade-not-supported", "there is only one data format") : undefined;
};

/** `X.Y` or `X.Y.Z`; the latter also with a pre-release or build suffix of semantic versioning: `3.6.0-rc.1`. */
const versionPattern = /^(\d+)\.(\d+)(?:\.\d+(?:-[\w.-]+)?(?:\+[\w.-]+)?)?$/;

/** @throws ServerError `downgrade-format` */
const parseVersion = (text: string): Version => {
  const [, major, minor] = versionPattern.exec(text) ?? [];
  if (major === undefined || minor === undefined)
    throw new ServerError("downgrade-format", `the target version is not in the form X.Y: "${text}"`);
  return { major: BigInt(major), minor: BigInt(minor) };
};
