// A round: sequences that begin with the same users, roles, permissions and logins, and without keys and leases. That state is created
// for the first sequence; for later ones, only the changes of the previous one are undone.
import assert from "node:assert/strict";
import { everything } from "../differential/keys.js";
import { Pair } from "../differential/pair.js";
import type { Channel, Request } from "../differential/requests.js";
import type { Revisions } from "../differential/revisions.js";
import type { Call, Caller, Outcome } from "./calls.js";
import { Changes } from "./changes.js";
import type { GatewayCaller } from "./gateway-caller.js";
import { type AuthCall, type Beginning, passwords } from "./sequence-steps.js";
import { type Both, callBoth, type Servers, succeed } from "./servers.js";

/** Returns a call of the Auth service. */
export const auth = (method: string, fields: object = {}): AuthCall => ({ method: `Auth/${method}`, fields });

/** Disables authentication on a server, and deletes all users and roles. */
async function forgetUsers(caller: Caller): Promise<void> {
  const [state] = await succeed(caller, [auth("AuthStatus")]);
  if (state?.messages[0]?.["enabled"] === true) await disable(caller);
  const [users, roles] = await succeed(caller, [auth("UserList"), auth("RoleList")]);
  await Promise.all([
    ...(users?.messages[0]?.["users"] as string[]).map((name) => succeed(caller, [auth("UserDelete", { name })])),
    ...(roles?.messages[0]?.["roles"] as string[]).map((role) => succeed(caller, [auth("RoleDelete", { role })])),
  ]);
}

async function disable(caller: Caller): Promise<void> {
  for (const password of passwords) {
    const { messages } = await caller.call(auth("Authenticate", { name: "root", password }));
    const token = messages[0]?.["token"] as string | undefined;
    if (token === undefined) continue;
    await succeed(caller, [{ ...auth("AuthDisable"), token }]);
    return;
  }
  throw new Error("root cannot log in");
}

const userName = (index: number): string => `u${index + 1}`;
const roleName = (index: number): string => `r${index + 1}`;

/** Calls that add a role or a user of a beginning, with its permissions or roles. */
const addRole = (name: string): AuthCall => auth("RoleAdd", { name });
const grantPermissions = ({ roles }: Beginning, index: number): AuthCall[] =>
  (roles[index] ?? []).map((perm) => auth("RoleGrantPermission", { name: roleName(index), perm }));
const addUser = (name: string): AuthCall => auth("UserAdd", { name, password: passwords[0] });
const grantRoles = (
  { users }: Beginning,
  index: number,
  isWanted: (role: string) => boolean = () => true,
): AuthCall[] =>
  (users[index] ?? [])
    .map(roleName)
    .filter(isWanted)
    .map((role) => auth("UserGrantRole", { user: userName(index), role }));

/** Creates the users and roles of a beginning, concurrently where the order does not matter. */
async function begin(caller: Caller, beginning: Beginning): Promise<void> {
  const { roles, users, enabled } = beginning;
  const run = (calls: readonly AuthCall[]) => succeed(caller, calls);
  await Promise.all([
    ...["root", ...users.map((_, index) => userName(index))].map((name) => run([addUser(name)])),
    ...["root", ...roles.map((_, index) => roleName(index))].map((name) => run([addRole(name)])),
  ]);
  await Promise.all([
    run([auth("UserGrantRole", { user: "root", role: "root" })]),
    ...roles.map((_, index) => run(grantPermissions(beginning, index))),
    ...users.map((_, index) => run(grantRoles(beginning, index))),
  ]);
  if (enabled) await run([auth("AuthEnable")]);
}

/** Deletes a thing that may not exist. */
async function remove(caller: Caller, call: Call): Promise<void> {
  const { code, details } = await caller.call(call);
  if (code !== 0 && !details.endsWith("not found")) throw new Error(`${call.method} failed: ${code} ${details}`);
}

/**
 * Restores changed users and roles one after the other, because a change refuses concurrent calls with the token of an earlier auth
 * revision.
 */
async function restoreUsers(caller: Caller, beginning: Beginning, changes: Changes, token?: string): Promise<void> {
  const { users, roles } = changes;
  for (const name of users) await remove(caller, { ...auth("UserDelete", { name }), token });
  for (const role of roles) await remove(caller, { ...auth("RoleDelete", { role }), token });
  const calls = [
    ...beginning.roles.flatMap((_, index) =>
      roles.has(roleName(index)) ? [addRole(roleName(index)), ...grantPermissions(beginning, index)] : [],
    ),
    ...beginning.users.flatMap((_, index) =>
      users.has(userName(index))
        ? [addUser(userName(index)), ...grantRoles(beginning, index)]
        : grantRoles(beginning, index, (role) => roles.has(role)),
    ),
  ];
  await succeed(
    caller,
    calls.map((call) => ({ ...call, token })),
  );
}

/** Deletes all keys, and revokes all leases if there may be any. Returns the store's revision. */
async function restoreStore(caller: Caller, changes: Changes, token?: string): Promise<bigint> {
  const [deletion] = await succeed(caller, [{ method: "KV/DeleteRange", fields: everything, token }]);
  if (changes.areLeasesGranted) {
    const [list] = await succeed(caller, [{ method: "Lease/LeaseLeases", fields: {}, token }]);
    for (const { ID } of list?.messages[0]?.["leases"] as readonly { ID: bigint }[])
      await remove(caller, { method: "Lease/LeaseRevoke", fields: { ID }, token });
  }
  return (deletion?.messages[0]?.["header"] as { revision: bigint }).revision;
}

const statusRevision = async (caller: Caller): Promise<bigint> => {
  const [outcome] = await succeed(caller, [auth("AuthStatus")]);
  return outcome?.messages[0]?.["authRevision"] as bigint;
};

/** The state that the sequences of a round share on both servers. */
export class Round {
  /** Undefined: the whole state has to be created. */
  private changes: Changes | undefined;
  /** Logins of users that no sequence has changed. */
  private readonly tokens = new Map<string, Both<string>>();
  private at: Revisions = { now: 1n, compacted: 0n };

  constructor(
    private readonly servers: Servers,
    private readonly channels: Both<Channel>,
    readonly beginning: Beginning,
  ) {}

  get callers(): Both<Caller> {
    return this.servers.callers;
  }

  get gateways(): Both<GatewayCaller> {
    return this.servers.gateways;
  }

  /** Revisions of both stores. */
  get revisions(): Revisions {
    return this.at;
  }

  /** Names of the users of the beginning. */
  get userNames(): readonly string[] {
    return ["root", ...this.beginning.users.map((_, index) => userName(index))];
  }

  /** Prepares both servers for the next sequence. Returns their auth revisions. */
  async begin(): Promise<Both<bigint>> {
    if (this.changes === undefined) await this.makeAll();
    else await this.restore(this.changes);
    this.changes = new Changes(this.beginning);
    return callBoth(this.callers, statusRevision);
  }

  /** Returns the tokens of an earlier login, if they are still valid. */
  tokensOf(name: string): Both<string> | undefined {
    return this.tokens.get(name);
  }

  /** Keeps the tokens of a login that belongs to the beginning. */
  keep(name: string, tokens: Both<string>): void {
    this.tokens.set(name, tokens);
  }

  /** Notes a call of the Auth service that has succeeded on one of the servers. */
  noteAuth(call: AuthCall): void {
    if (this.changes?.note(call) === "everything") this.changes = undefined;
  }

  /** Notes that the servers may have different states. */
  part(): void {
    this.changes = undefined;
  }

  /** Notes etcd's answer to a request of the store. */
  note({ code, messages }: Outcome, request: Request | undefined): void {
    if (code !== 0) return;
    if (request?.method === "leaseGrant") this.changes?.noteLease();
    const header = messages.at(-1)?.["header"] as { revision: bigint } | undefined;
    const { now, compacted } = this.at;
    this.at = {
      now: header !== undefined && header.revision > now ? header.revision : now,
      compacted: request?.method === "compact" ? request.message.revision : compacted,
    };
  }

  private async makeAll(): Promise<void> {
    await callBoth(this.callers, forgetUsers);
    const pair = new Pair(...this.channels);
    await pair.startAfresh(false);
    await callBoth(this.callers, (caller) => begin(caller, this.beginning));
    this.at = pair.at;
    this.tokens.clear();
  }

  private async restore(changes: Changes): Promise<void> {
    const root = this.tokens.get("root");
    const [etcd, ours] = await callBoth(this.callers, async (caller, position) => {
      await restoreUsers(caller, this.beginning, changes, root?.[position]);
      return restoreStore(caller, changes, root?.[position]);
    });
    assert.equal(ours, etcd, "The stores are at different revisions after a sequence");
    this.at = { ...this.at, now: etcd };
    for (const name of changes.users) this.tokens.delete(name);
  }
}
