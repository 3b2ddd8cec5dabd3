/** Limits that the servers are started with: low, so that exceeding them is cheap. */
export const limits = { maxTxnOps: 6, maxRequestBytes: 32_768 };
