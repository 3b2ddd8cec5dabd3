// Changes by a sequence of the users and roles that it began with.
import type { AuthCall, Beginning } from "./sequence-steps.js";

interface Named {
  readonly name?: string;
  readonly user?: string;
  readonly role?: string;
}

/** The user and role that are needed to restore anything. */
const root = "root";

/** The users and roles that differ from the beginning, or that did not exist then. */
export class Changes {
  readonly users = new Set<string>();
  readonly roles = new Set<string>();
  private hasLeases = false;

  constructor(private readonly beginning: Beginning) {}

  /** Whether there may be leases. */
  get areLeasesGranted(): boolean {
    return this.hasLeases;
  }

  noteLease(): void {
    this.hasLeases = true;
  }

  /** Notes a successful call. Returns whether it changed more than some users and roles. */
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
