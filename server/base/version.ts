/** The etcd release whose behaviour this server follows, as it reports it in Status and /version. */
export const serverVersion = "3.6.14";

/** The version of the storage schema that goes with `serverVersion`. */
export const storageVersion = "3.6.0";
