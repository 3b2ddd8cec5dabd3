/** The name of the user, and of the role, with all rights. */
export const root = "root";

/** Compares names bytewise: etcd's sort order. */
export const compareNames = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
