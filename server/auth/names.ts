/** The user, and the role, that may do everything. */
export const root = "root";

/** Compares names bytewise, as etcd sorts them. */
export const compareNames = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
