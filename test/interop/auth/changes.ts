// Changes that a sequence made to the users and roles with which it began.
import type { AuthCall, Beginning } from "./sequence-steps.js";

interface Named {
  readonly name?: string;
  readonly user?: string;
  readonly role?: string;
}

/** Nothing can be restored without the user root and its role. */
const root = "root";

/** Knows the users and roles that are not any more as at the beginning, or were not there. */
export class Changes {
  readonly users = new Set<string>();
  readonly roles = new Set<string>();
  private leases = false;

  constructor(private readonly beginning: Beginning) {}

  /** Tells whether there may be leases. */
  get areLeasesGranted(): boolean {
    return this.leases;
  }

  noteLease(): void {
    this.leases = true;
  }

  /** Notes a call that has succeeded. Returns whether it changed more than some users and roles. */
  note({ method, fields }: AuthCall): "everything" | "some" {
    const { name = "", user = name, role = name } = fields as Named;
    switch (method) {
      case "Auth/UserAdd":
      case "Auth/UserDelete":
      case "Auth/UserChangePassword":
      case "Auth/UserGrantRole":
      case "Auth/UserRevokeRole":
        this.users.add(user);
        return user === root ? "everything" : "some";
      case "Auth/RoleAdd":
      case "Auth/RoleDelete":
      case "Auth/RoleGrantPermission":
      case "Auth/RoleRevokePermission":
        this.roles.add(role);
        return role === root ? "everything" : "some";
      case "Auth/AuthEnable":
        return this.beginning.enabled ? "some" : "everything";
      case "Auth/AuthDisable":
        return this.beginning.enabled ? "everything" : "some";
      default:
        return "some";
    }
  }
}
