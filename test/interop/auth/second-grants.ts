// Grants after which etcd and minietcd have different permissions.
// etcd searches for the permission that a grant replaces only among the first of each key. So a role with [a, b) and [a, c) has [a, c)
// twice after a second grant of it, with the old type and the new one. minietcd replaces the old one.
import type { AuthCall, Beginning } from "./sequence-steps.js";

interface Range {
  readonly key: Uint8Array;
  readonly rangeEnd?: Uint8Array;
}

const hex = (bytes: Uint8Array = new Uint8Array()): string => Buffer.from(bytes).toString("hex");

/** Keeps the permissions of all roles, and detects such a grant. */
export class SecondGrants {
  /** Range ends by key, by role. */
  private readonly roles = new Map<string, Map<string, Set<string>>>();

  constructor({ roles }: Beginning) {
    roles.forEach((permissions, index) => {
      for (const permission of permissions) this.grant(`r${index + 1}`, permission);
    });
  }

  /** Notes a successful call. Returns whether it was such a grant. */
  note({ method, fields }: AuthCall): boolean {
    const { name, role, perm, ...range } = fields as { name: string; role: string; perm: Range } & Range;
    if (method === "Auth/RoleGrantPermission") return this.grant(name, perm);
    if (method === "Auth/RoleRevokePermission") this.roles.get(role)?.get(hex(range.key))?.delete(hex(range.rangeEnd));
    if (method === "Auth/RoleDelete") this.roles.delete(role);
    return false;
  }

  private grant(role: string, { key, rangeEnd }: Range): boolean {
    const keys = this.roles.get(role) ?? new Map<string, Set<string>>();
    this.roles.set(role, keys);
    const ends = keys.get(hex(key)) ?? new Set();
    keys.set(hex(key), ends);
    const isSecond = ends.size > 1 && ends.has(hex(rangeEnd));
    ends.add(hex(rangeEnd));
    return isSecond;
  }
}
