import type { StoreConfig } from "./config.js";
import { featureGates } from "./flag-values.js";

/** A feature gate of etcd. */
export interface Feature {
  readonly name: string;
  /** `ALPHA` or `BETA`. */
  readonly stage: string;
  /** Whether the member has the feature and uses it. */
  readonly isEnabled: boolean;
}

/** Lists all feature gates. Gates without an effect in minietcd are not enabled, whatever their flag. */
export const featuresOf = ({ leaseCheckpointMs }: Pick<StoreConfig, "leaseCheckpointMs">): readonly Feature[] =>
  featureGates.map(({ name, stage }) => ({
    name,
    stage,
    isEnabled: leaseCheckpointMs !== undefined && (name === "LeaseCheckpoint" || name === "LeaseCheckpointPersist"),
  }));
