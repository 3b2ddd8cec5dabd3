import { type Identity, root } from "../../../server/auth/index.js";
import { Access } from "../../../server/app/index.js";

/** The rights of the test itself: root's, whether authentication is on or off. */
export class RootAccess extends Access {
  override identify(): Identity {
    return { name: root, revision: this.auth.revision };
  }
}
