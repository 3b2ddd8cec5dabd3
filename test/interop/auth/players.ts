// Plays a sequence on both servers, from a state that is the same on both, and finds how their answers differ.
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { comparableLease } from "../differential/leases.js";
import { Pair } from "../differential/pair.js";
import type { Channel, Fields, Request } from "../differential/requests.js";
import type { Revisions } from "../differential/revisions.js";
import { showFields } from "../differential/show.js";
import type { Call, Caller, Conversation, Outcome } from "./calls.js";
import { SecondGrants } from "./second-grants.js";
import { type SequenceMask, sequenceMasks } from "./sequence-masks.js";
import {
  type Actor,
  type AuthCall,
  type AuthSequence,
  type Beginning,
  passwords,
  type Step,
} from "./sequence-steps.js";
import { type Both, both, type Servers, succeed } from "./servers.js";

export interface Exchange {
  readonly step: Step;
  /** The step as a person reads it. */
  readonly said: string;
  readonly etcd: Outcome;
  readonly ours: Outcome;
  /** The way in which the outcomes differ; "unknown": nobody has explained it. */
  readonly difference: SequenceMask | "none" | "unknown";
}

const methods: Record<Request["method"], string> = {
  range: "KV/Range",
  put: "KV/Put",
  deleteRange: "KV/DeleteRange",
  txn: "KV/Txn",
  compact: "KV/Compact",
  hashKV: "Maintenance/HashKV",
  leaseGrant: "Lease/LeaseGrant",
  leaseRevoke: "Lease/LeaseRevoke",
  leaseTimeToLive: "Lease/LeaseTimeToLive",
  leaseLeases: "Lease/LeaseLeases",
  leaseKeepAlive: "Lease/LeaseKeepAlive",
};

const auth = (method: string, fields: object = {}): AuthCall => ({ method: `Auth/${method}`, fields });

/** Ends authentication on a server, and deletes all users and roles. */
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

const userNames = (users: Beginning["users"]) => users.map((_, index) => `u${index + 1}`);

/** Makes the users and roles of a beginning, at the same time as far as the order does not matter. */
async function begin(caller: Caller, { roles, users, enabled }: Beginning): Promise<void> {
  const names = userNames(users);
  await Promise.all([
    ...["root", ...names].map((name) => succeed(caller, [auth("UserAdd", { name, password: passwords[0] })])),
    ...["root", ...roles.map((_, index) => `r${index + 1}`)].map((name) =>
      succeed(caller, [auth("RoleAdd", { name })]),
    ),
  ]);
  await Promise.all([
    succeed(caller, [auth("UserGrantRole", { user: "root", role: "root" })]),
    ...roles.map((permissions, index) =>
      succeed(
        caller,
        permissions.map((perm) => auth("RoleGrantPermission", { name: `r${index + 1}`, perm })),
      ),
    ),
    ...users.map((held, index) =>
      succeed(
        caller,
        held.map((role) => auth("UserGrantRole", { user: names[index], role: `r${role + 1}` })),
      ),
    ),
  ]);
  if (enabled) await succeed(caller, [auth("AuthEnable")]);
}

const statusRevision = async (caller: Caller): Promise<bigint> => {
  const [outcome] = await succeed(caller, [auth("AuthStatus")]);
  return outcome?.messages[0]?.["authRevision"] as bigint;
};

const simpleToken = /^[a-zA-Z]{16}\.\d+$/;

/** A sequence in progress: the same users, tokens and streams on both servers. */
export class Players {
  private readonly exchanged: Exchange[] = [];
  /** Tokens of all logins so far, and the last of each user. */
  private readonly logins: Both<string>[] = [];
  private readonly lastOf = new Map<string, Both<string>>();
  private readonly streams = new Map<number, Both<Conversation>>();
  private authRevisions: Both<bigint> = [0n, 0n];
  private revisions: Revisions = { now: 1n, compacted: 0n };

  private constructor(private readonly callers: Both<Caller>) {}

  /** Makes both servers the same: empty but for the users and roles of the beginning, and at one revision. */
  static async start(servers: Servers, channels: Both<Channel>, beginning: Beginning): Promise<Players> {
    await both(servers.callers, forgetUsers);
    const pair = new Pair(...channels);
    await pair.startAfresh(false);
    await both(servers.callers, (caller) => begin(caller, beginning));
    const players = new Players(servers.callers);
    players.revisions = pair.at;
    players.authRevisions = await both(servers.callers, statusRevision);
    if (beginning.enabled)
      for (const name of ["root", ...userNames(beginning.users)])
        await players.play({ kind: "login", name, password: passwords[0] });
    return players;
  }

  get exchanges(): readonly Exchange[] {
    return this.exchanged;
  }

  async play(step: Step): Promise<Exchange> {
    const said = this.said(step);
    const fields = this.fieldsOf(step);
    const request = step.kind === "ask" ? step.request(this.revisions) : undefined;
    const outcomes = await this.perform(step);
    const [etcd, ours] = outcomes.map((outcome, position) =>
      this.comparable(outcome, position as 0 | 1, request),
    ) as unknown as Both<Outcome>;
    const difference = isDeepStrictEqual(etcd, ours)
      ? "none"
      : (sequenceMasks.find(({ hides }) => hides({ step, fields }, etcd, ours)) ?? "unknown");
    const exchange: Exchange = { step, said, etcd, ours, difference };
    this.exchanged.push(exchange);
    this.note(outcomes[0], request);
    return exchange;
  }

  close(): void {
    for (const pair of this.streams.values()) for (const stream of pair) stream.close();
    this.streams.clear();
  }

  private said(step: Step): string {
    switch (step.kind) {
      case "login":
        return `log in as "${step.name}" with "${step.password}"`;
      case "auth":
        return `${who(step.as)}: ${step.call.method} ${showFields(step.call.fields)}`;
      case "ask": {
        const { method, message } = step.request(this.revisions);
        return `${who(step.as)}: ${method} ${showFields(message)}`;
      }
      case "watch":
        return `${who(step.as)}: on stream ${step.stream ?? "of its own"} ${showFields(step.create(this.revisions))}`;
    }
  }

  private fieldsOf(step: Step): object {
    switch (step.kind) {
      case "login":
        return {};
      case "auth":
        return step.call.fields;
      case "ask":
        return step.request(this.revisions).message;
      case "watch":
        return step.create(this.revisions);
    }
  }

  private perform(step: Step): Promise<Both<Outcome>> {
    switch (step.kind) {
      case "login":
        return this.login(step.name, step.password);
      case "auth":
        return this.call(step.call, step.as);
      case "ask": {
        const { method, message } = step.request(this.revisions);
        if (method === "leaseKeepAlive") return this.keepAlive(message.ids, step.as);
        return this.call({ method: methods[method], fields: message, header: step.header }, step.as);
      }
      case "watch":
        return this.watch(step.stream, step.create(this.revisions), step.as);
    }
  }

  private call(call: Omit<Call, "token">, as: Actor): Promise<Both<Outcome>> {
    return both(this.callers, (caller, position) => caller.call({ ...call, token: this.tokenOf(as, position) }));
  }

  private async login(name: string, password: string): Promise<Both<Outcome>> {
    const outcomes = await both(this.callers, (caller) => caller.call(auth("Authenticate", { name, password })));
    const tokens = outcomes.map(({ messages }) => messages[0]?.["token"] as string | undefined);
    const [etcd, ours] = tokens;
    if (etcd !== undefined && ours !== undefined) {
      this.logins.push([etcd, ours]);
      this.lastOf.set(name, [etcd, ours]);
    }
    return outcomes;
  }

  private keepAlive(ids: readonly bigint[], as: Actor): Promise<Both<Outcome>> {
    return both(this.callers, async (caller, position) => {
      const stream = caller.open({ method: methods.leaseKeepAlive, token: this.tokenOf(as, position) });
      const messages: Fields[] = [];
      for (const ID of ids) {
        stream.send({ ID });
        const outcome = await stream.next();
        messages.push(...outcome.messages);
        if (outcome.code !== 0) return { ...outcome, messages };
      }
      stream.close();
      return { code: 0, details: "", messages };
    });
  }

  private async watch(number: number | undefined, create: object, as: Actor): Promise<Both<Outcome>> {
    const kept = number === undefined ? undefined : this.streams.get(number);
    const streams =
      kept ?? (await both(this.callers, (caller, position) => Promise.resolve(this.openWatch(caller, position, as))));
    const outcomes = await both(streams, async (stream) => {
      stream.send(create);
      return stream.next((message) => message["created"] === true);
    });
    if (number !== undefined && outcomes.every(({ code }) => code === 0)) this.streams.set(number, streams);
    else {
      if (number !== undefined) this.streams.delete(number);
      for (const stream of streams) stream.close();
    }
    return outcomes;
  }

  private openWatch(caller: Caller, position: 0 | 1, as: Actor): Conversation {
    return caller.open({ method: "Watch/Watch", token: this.tokenOf(as, position) });
  }

  private tokenOf(as: Actor, position: 0 | 1): string | undefined {
    switch (as.kind) {
      case "user":
        return this.lastOf.get(as.name)?.[position];
      case "login":
        return this.logins.at(-1 - as.back)?.[position];
      case "token":
        return as.token;
      case "nobody":
        return undefined;
    }
  }

  /** Returns the part of an outcome that can be compared. */
  private comparable({ code, details, messages }: Outcome, position: 0 | 1, request: Request | undefined): Outcome {
    return {
      code,
      details,
      messages: messages.map((message) => {
        const fields = request === undefined ? message : comparableLease(request, message);
        const revision = fields["authRevision"];
        const token = fields["token"];
        return {
          ...fields,
          ...(typeof revision === "bigint" ? { authRevision: revision - this.authRevisions[position] } : {}),
          ...(typeof token === "string" ? { token: simpleToken.test(token) ? "a simple token" : token } : {}),
        };
      }),
    };
  }

  private note({ code, messages }: Outcome, request: Request | undefined): void {
    if (code !== 0) return;
    const header = messages.at(-1)?.["header"] as { revision: bigint } | undefined;
    const { now, compacted } = this.revisions;
    this.revisions = {
      now: header !== undefined && header.revision > now ? header.revision : now,
      compacted: request?.method === "compact" ? request.message.revision : compacted,
    };
  }
}

const who = (as: Actor): string => {
  switch (as.kind) {
    case "user":
      return as.name;
    case "login":
      return `login ${as.back} before the last`;
    case "token":
      return `the token "${as.token}"`;
    case "nobody":
      return "nobody";
  }
};

const shown = ({ code, details, messages }: Outcome): string =>
  code === 0 ? messages.map((message) => showFields(message)).join(" ") : `error ${code} "${details}"`;

const describe = ({ said, etcd, ours, difference }: Exchange): string => {
  const lines = difference === "none" ? [`both: ${shown(etcd)}`] : [`etcd: ${shown(etcd)}`, `ours: ${shown(ours)}`];
  return [said, ...lines.map((line) => `  ${line}`)].join("\n");
};

/** Tells whether the servers may hold different things after a step, for a known reason. */
const partsThem = ({ step, etcd, difference }: Exchange, grants: SecondGrants): boolean =>
  (typeof difference === "object" && difference.parts) ||
  (step.kind === "auth" && etcd.code === 0 && grants.note(step.call));

/** @throws Error that tells all that was said, if an answer differs in a way that is not known */
export async function play(
  servers: Servers,
  channels: Both<Channel>,
  sequence: AuthSequence,
): Promise<readonly Exchange[]> {
  const players = await Players.start(servers, channels, sequence.beginning);
  const said: string[] = [showFields(sequence.beginning)];
  const check = (exchange: Exchange) => {
    said.push(describe(exchange));
    assert(exchange.difference !== "unknown", said.join("\n"));
  };
  try {
    players.exchanges.forEach(check);
    const grants = new SecondGrants(sequence.beginning);
    for (const step of sequence.steps) {
      const exchange = await players.play(step);
      check(exchange);
      if (partsThem(exchange, grants)) break;
    }
    return players.exchanges;
  } finally {
    players.close();
  }
}
