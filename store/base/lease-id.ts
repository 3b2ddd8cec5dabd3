/** The 64-bit id of a lease: an int64 that is not 0; negative ones are allowed. */
export type LeaseId = bigint & { readonly __unit: "lease id" };

/** The id of "no lease". */
export const noLease = 0n as LeaseId;

/** Converts the id of a lease in a message, a row or a log entry. */
export const leaseIdFrom = (id: bigint): LeaseId => id as LeaseId;
