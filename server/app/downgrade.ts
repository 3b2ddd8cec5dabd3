import { DowngradeRequest_DowngradeAction as Action } from "../../proto/index.js";
import type { KvStore } from "../../store/index.js";
import { type ReportedVersions, ServerError } from "../base/index.js";
import type { Reads } from "../replication/index.js";
import type { Operation } from "./application.js";

/** The parts of a member that a request for a downgrade needs. */
export interface DowngradeParts {
  readonly store: Pick<KvStore, "revision">;
  readonly reads: Pick<Reads, "whenLinearizable">;
}

const actions = new Set<number>(Object.values(Action));

interface Version {
  readonly major: bigint;
  readonly minor: bigint;
}

/**
 * etcd's Downgrade. Targets are judged as etcd judges them, once a quorum has confirmed that this member is not cut off. There is
 * one format of data, so that no downgrade can be enabled, and none is ever under way to be canceled.
 */
export const downgradeOperation =
  ({ store, reads }: DowngradeParts, { cluster }: ReportedVersions): Operation<"downgrade"> =>
  (_caller, { action, version }, handler) => {
    if (!actions.has(action)) throw new ServerError("downgrade-action", `unknown action ${action}`);
    const target = action === Action.CANCEL ? undefined : parseVersion(version);
    reads.whenLinearizable({
      deadline: 0,
      onReady: () => {
        const error = target && refusalOf(target, parseVersion(cluster), action === Action.ENABLE);
        const response = { header: undefined, version: cluster.replace(/\.\d+$/, "") };
        if (error === undefined) handler.onResult({ response, revision: store.revision });
        else handler.onError(error);
      },
      onError: (error) => handler.onError(error),
    });
  };

/** Only the minor version before the cluster's can be gone back to. */
const refusalOf = (target: Version, cluster: Version, isEnabling: boolean): ServerError | undefined => {
  if (target.major !== cluster.major || target.minor !== cluster.minor - 1n)
    return new ServerError("downgrade-target", `not the version before ${cluster.major}.${cluster.minor}`);
  return isEnabling ? new ServerError("downgrade-not-supported", "there is only one data format") : undefined;
};

/** `X.Y` or `X.Y.Z`, the latter perhaps with what semantic versioning allows behind it. */
const versionPattern = /^(\d+)\.(\d+)(?:\.\d+(?:-[\w.-]+)?(?:\+[\w.-]+)?)?$/;

/** @throws ServerError `downgrade-format` */
const parseVersion = (text: string): Version => {
  const [, major, minor] = versionPattern.exec(text) ?? [];
  if (major === undefined || minor === undefined) throw new ServerError("downgrade-format", `not X.Y: "${text}"`);
  return { major: BigInt(major), minor: BigInt(minor) };
};
