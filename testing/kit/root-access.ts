import { type Identity, root } from "../../server/auth/index.js";
import { Access } from "../../server/app/index.js";

/** The rights of the test itself: those of the user root, which exists as long as authentication is on. */
export class RootAccess extends Access {
  override identify(): Identity {
    return { name: root, revision: this.auth.revision };
  }
}
