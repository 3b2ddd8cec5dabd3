// The rights of users in the order of the log: no operation is applied that is not allowed at its position in the log.

import assert from "node:assert/strict";
import type { RequestOp, TxnRequest } from "../../../proto/index.js";
import type { Host } from "../../../testing/index.js";
import { type CarriedOut, type DecodedProposal, onCarriedOut } from "./carried-out.js";
import { type Effect, printableOf } from "./history.js";
import { text, type World } from "./world.js";

/** The time from which a user has rights on keys, or has none. */
interface Turn {
  readonly at: number;
  readonly has: boolean;
}

/** Users, roles and permissions as a naive reader of the log computes them. A role covers the keys with one prefix. */
export class UserPromises {
  private readonly users = new Map<string, Set<string>>();
  private readonly roles = new Map<string, string | undefined>();
  private readonly turns = new Map<string, Turn[]>();
  private isOn = false;
  private revision = 1n;

  constructor(private readonly world: World) {
    onCarriedOut(world.history, (carriedOut) => this.onCarriedOut(carriedOut));
  }

  /** Tells whether a user had rights on the keys of a prefix at any moment since `from`. */
  hadRightsSince(from: number, name: string, prefix: string): boolean {
    const turns = this.turns.get(`${name} ${prefix}`) ?? [];
    return turns.some(({ has }, n) => has && (turns[n + 1]?.at ?? Infinity) >= from);
  }

  /** Checks that all members have the same users, with the same roles. */
  checkAtTheEnd(hosts: readonly Host[]): void {
    for (const { name, running } of hosts) {
      const auth = running?.replica.applier.auth;
      assert.ok(auth !== undefined, `${name} runs`);
      assert.deepEqual([auth.isEnabled, auth.revision], [this.isOn, this.revision], `users and roles of ${name}`);
      for (const [user, roles] of this.users)
        assert.deepEqual(auth.requireUser(user).roles, [...roles].sort(), `roles of ${user} at ${name}`);
    }
  }

  private onCarriedOut({ proposal, effects }: CarriedOut): void {
    for (const effect of effects) this.check(proposal, effect);
    this.change(proposal);
  }

  /** Checks that an applied operation on keys was allowed to its user, at the auth revision that was the newest. */
  private check({ user }: DecodedProposal, { write, index, identity, refusal }: Effect): void {
    if (!this.isOn || refusal !== undefined) return;
    if (write.kind !== "put" && write.kind !== "deleteRange" && write.kind !== "txn") return;
    const what = `entry ${index} of ${user?.name ?? "nobody"}: ${printableOf(identity)}`;
    assert.ok(user !== undefined, `carried out without a user: ${what}`);
    const keys = write.kind === "txn" ? keysOfTxn(write.request) : [text(write.request.key)];
    for (const key of keys) assert.ok(this.allows(user.name, key), `carried out, and not allowed: ${what}`);
    assert.equal(user.revision, this.revision, `carried out at an old revision of users and roles: ${what}`);
  }

  private allows(name: string, key: string): boolean {
    const roles = this.users.get(name) ?? new Set();
    return roles.has("root") || [...roles].some((role) => key.startsWith(this.roles.get(role) ?? "no prefix"));
  }

  private change({ command, user }: DecodedProposal): void {
    if (command === undefined) return;
    const before = this.revision;
    if (command.$case === "authEnable") {
      this.isOn = true;
      return;
    }
    this.changeUsersAndRoles(command);
    if (this.isOn && this.revision > before)
      assert.equal(user?.name, "root", "users and roles are changed by root alone");
  }

  private changeUsersAndRoles(command: NonNullable<DecodedProposal["command"]>): void {
    if (command.$case === "userAdd") {
      const { name } = command.value;
      if (!this.users.has(name)) this.makeChange(() => this.users.set(name, new Set()));
    } else if (command.$case === "roleAdd") {
      const { name } = command.value;
      if (!this.roles.has(name)) this.makeChange(() => this.roles.set(name, undefined));
    } else if (command.$case === "roleGrantPermission") {
      const { name, perm } = command.value;
      this.makeChange(() => this.roles.set(name, text(perm?.key ?? new Uint8Array())));
    } else if (command.$case === "userGrantRole") this.grant(command.value.user, command.value.role);
    else if (command.$case === "userRevokeRole") this.revoke(command.value.name, command.value.role);
  }

  private revoke(user: string, role: string): void {
    if (this.users.get(user)?.delete(role) === true) this.makeChange(() => this.turn(user, role, false));
  }

  private grant(user: string, role: string): void {
    const roles = this.users.get(user);
    if (roles === undefined || roles.has(role)) return;
    this.makeChange(() => {
      roles.add(role);
      this.turn(user, role, true);
    });
  }

  private turn(user: string, role: string, has: boolean): void {
    const key = `${user} ${this.roles.get(role) ?? ""}`;
    const turns = this.turns.get(key) ?? [];
    turns.push({ at: this.world.scheduler.now, has });
    this.turns.set(key, turns);
    this.world.counts.roleChanges++;
  }

  private makeChange(make: () => unknown): void {
    make();
    this.revision += 1n;
  }
}

const keysOfTxn = ({ compare, success, failure }: TxnRequest): string[] => [
  ...compare.map(({ key }) => text(key)),
  ...[...success, ...failure].flatMap(keysOfOperation),
];

const keysOfOperation = ({ request }: RequestOp): string[] => {
  if (request === undefined) return [];
  return request.$case === "requestTxn" ? keysOfTxn(request.value) : [text(request.value.key)];
};
