/** The 64-bit id of a lease: an int64 that is not 0; negative ones are allowed. */
export type LeaseId = bigint & { readonly __unit: "lease id" };

/** The id that stands for "no lease". */
export const noLease = 0n as LeaseId;

/** Reads the id of a lease off a message, a row or a log entry. */
export const leaseIdFrom = (id: bigint): LeaseId => id as LeaseId;
