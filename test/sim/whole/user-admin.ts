// The user root, who creates users and roles, enables authentication, and grants and revokes a user's role.

import {
  AuthEnableRequest,
  AuthEnableResponse,
  AuthRoleAddRequest,
  AuthRoleAddResponse,
  AuthRoleGrantPermissionRequest,
  AuthRoleGrantPermissionResponse,
  AuthUserAddRequest,
  AuthUserAddResponse,
  AuthUserGrantRoleRequest,
  AuthUserGrantRoleResponse,
  AuthUserRevokeRoleRequest,
  AuthUserRevokeRoleResponse,
  Permission_Type,
} from "../../../proto/index.js";
import { statusCode } from "../../../server/rpc/status.js";
import type { Codec, CallOutcome, SeededRandom } from "../../../testing/index.js";
import { outcomeText } from "./kv-client.js";
import { bytes, checkAnswered, Home, thinkingTime, type World } from "./world.js";

interface Method<Request, Response> {
  readonly path: string;
  readonly request: Codec<Request>;
  readonly response: Codec<Response>;
}

const pathOf = (name: string): string => `/etcdserverpb.Auth/${name}`;
const enable = { path: pathOf("AuthEnable"), request: AuthEnableRequest, response: AuthEnableResponse };
const addUser = { path: pathOf("UserAdd"), request: AuthUserAddRequest, response: AuthUserAddResponse };
const addRole = { path: pathOf("RoleAdd"), request: AuthRoleAddRequest, response: AuthRoleAddResponse };
const grant = { path: pathOf("UserGrantRole"), request: AuthUserGrantRoleRequest, response: AuthUserGrantRoleResponse };
const revoke = {
  path: pathOf("UserRevokeRole"),
  request: AuthUserRevokeRoleRequest,
  response: AuthUserRevokeRoleResponse,
};
const permit = {
  path: pathOf("RoleGrantPermission"),
  request: AuthRoleGrantPermissionRequest,
  response: AuthRoleGrantPermissionResponse,
};

export class UserAdmin {
  private readonly home: Home;
  private isCalm = false;

  constructor(
    private readonly world: World,
    private readonly random: SeededRandom,
  ) {
    this.home = new Home(world, random);
  }

  /** Creates two users with a role each, whose keys begin with `u/` and `v/`. Resolves once authentication is on. */
  async setUp(password: string): Promise<void> {
    const noPassword = { options: { noPassword: true } };
    await this.retryUntilDone(addUser, AuthUserAddRequest.create({ name: "root", ...noPassword }));
    await this.retryUntilDone(grant, AuthUserGrantRoleRequest.create({ user: "root", role: "root" }));
    for (const [user, role, prefix] of [
      ["alice", "u", "u/"],
      ["bob", "v", "v/"],
    ] as const) {
      const login = user === "alice" ? { password } : noPassword;
      await this.retryUntilDone(addUser, AuthUserAddRequest.create({ name: user, ...login }));
      await this.retryUntilDone(addRole, AuthRoleAddRequest.create({ name: role }));
      const rangeEnd = bytes(prefix.replace("/", "0"));
      const perm = { permType: Permission_Type.READWRITE, key: bytes(prefix), rangeEnd };
      await this.retryUntilDone(permit, AuthRoleGrantPermissionRequest.create({ name: role, perm }));
      await this.retryUntilDone(grant, AuthUserGrantRoleRequest.create({ user, role }));
    }
    await this.retryUntilDone(enable, AuthEnableRequest.create());
  }

  /** Revokes and grants alice's role until the simulation is over. */
  async run(usersAreChecked: Promise<void>): Promise<void> {
    await usersAreChecked;
    while (!this.world.isOver) {
      await this.world.scheduler.sleep(thinkingTime(this.random, this.isCalm ? 1_000 : 250));
      if (this.random.chance(0.5))
        await this.call(revoke, AuthUserRevokeRoleRequest.create({ name: "alice", role: "u" }));
      else await this.call(grant, AuthUserGrantRoleRequest.create({ user: "alice", role: "u" }));
    }
  }

  /** Makes the client send requests rarely from now on. */
  slowDown(): void {
    this.isCalm = true;
  }

  /** Repeats a request until it succeeds, or fails because an earlier attempt had succeeded. */
  private async retryUntilDone<Request, Response>(method: Method<Request, Response>, request: Request): Promise<void> {
    for (;;) {
      const outcome = await this.call(method, request);
      if (outcome.kind === "ok") return;
      if (outcome.kind === "error" && outcome.status.code === statusCode.failedPrecondition) return;
      await this.world.scheduler.sleep(20);
    }
  }

  private async call<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
  ): Promise<CallOutcome<Response>> {
    const { rpc, eventLog, timeoutMs, isCalm } = this.world;
    const host = this.home.current;
    const outcome = await rpc.call(host, method, request, timeoutMs);
    const line = `root at ${host.name}: ${method.path}: ${outcomeText(outcome)}`;
    eventLog.addLine(line);
    checkAnswered(isCalm, outcome, line);
    this.home.reconsider(outcome);
    return outcome;
  }
}
