// Plays a sequence on both servers, from a state that is the same on both, and finds how their answers differ.
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { comparableLease } from "../differential/leases.js";
import type { Channel, Fields, Request } from "../differential/requests.js";
import { showFields } from "../differential/show.js";
import type { Call, Caller, Conversation, Outcome } from "./calls.js";
import { auth, Round } from "./round.js";
import { SecondGrants } from "./second-grants.js";
import { type SequenceMask, sequenceMasks } from "./sequence-masks.js";
import { type Actor, type AuthRound, passwords, type Step } from "./sequence-steps.js";
import { type Both, both, type Servers } from "./servers.js";

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

const simpleToken = /^[a-zA-Z]{16}\.\d+$/;

/** A sequence in progress: the same users, tokens and streams on both servers. */
export class Players {
  private readonly exchanged: Exchange[] = [];
  /** Tokens of all logins so far, and the last of each user. */
  private readonly logins: Both<string>[] = [];
  private readonly lastOf = new Map<string, Both<string>>();
  private readonly streams = new Map<number, Both<Conversation>>();

  private constructor(
    private readonly round: Round,
    private readonly authRevisions: Both<bigint>,
  ) {}

  /** Makes both servers the same, and logs in everybody who has not kept a login of before. */
  static async start(round: Round): Promise<Players> {
    const players = new Players(round, await round.begin());
    if (round.beginning.enabled)
      for (const name of round.userNames) {
        const kept = round.tokensOf(name);
        if (kept === undefined) await players.play({ kind: "login", name, password: passwords[0] });
        else players.keep(name, kept);
        const tokens = players.lastOf.get(name);
        if (tokens !== undefined) round.keep(name, tokens);
      }
    return players;
  }

  get exchanges(): readonly Exchange[] {
    return this.exchanged;
  }

  async play(step: Step): Promise<Exchange> {
    const said = this.said(step);
    const fields = this.fieldsOf(step);
    const request = step.kind === "ask" ? step.request(this.round.revisions) : undefined;
    const outcomes = await this.perform(step);
    const [etcd, ours] = outcomes.map((outcome, position) =>
      this.comparable(outcome, position as 0 | 1, request),
    ) as unknown as Both<Outcome>;
    const difference = isDeepStrictEqual(etcd, ours)
      ? "none"
      : (sequenceMasks.find(({ hides }) => hides({ step, fields }, etcd, ours)) ?? "unknown");
    const exchange: Exchange = { step, said, etcd, ours, difference };
    this.exchanged.push(exchange);
    this.round.note(outcomes[0], request);
    if (step.kind === "auth" && outcomes.some(({ code }) => code === 0)) this.round.noteAuth(step.call);
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
        const { method, message } = step.request(this.round.revisions);
        return `${who(step.as)}: ${method} ${showFields(message)}`;
      }
      case "watch":
        return `${who(step.as)}: on stream ${step.stream ?? "of its own"} ${showFields(step.create(this.round.revisions))}`;
    }
  }

  private fieldsOf(step: Step): object {
    switch (step.kind) {
      case "login":
        return {};
      case "auth":
        return step.call.fields;
      case "ask":
        return step.request(this.round.revisions).message;
      case "watch":
        return step.create(this.round.revisions);
    }
  }

  private perform(step: Step): Promise<Both<Outcome>> {
    switch (step.kind) {
      case "login":
        return this.login(step.name, step.password);
      case "auth":
        return this.call(step.call, step.as);
      case "ask": {
        const { method, message } = step.request(this.round.revisions);
        if (method === "leaseKeepAlive") return this.keepAlive(message.ids, step.as);
        return this.call({ method: methods[method], fields: message, header: step.header }, step.as);
      }
      case "watch":
        return this.watch(step.stream, step.create(this.round.revisions), step.as);
    }
  }

  private call(call: Omit<Call, "token">, as: Actor): Promise<Both<Outcome>> {
    return both(this.round.callers, (caller, position) => caller.call({ ...call, token: this.tokenOf(as, position) }));
  }

  private async login(name: string, password: string): Promise<Both<Outcome>> {
    const outcomes = await both(this.round.callers, (caller) => caller.call(auth("Authenticate", { name, password })));
    const tokens = outcomes.map(({ messages }) => messages[0]?.["token"] as string | undefined);
    const [etcd, ours] = tokens;
    if (etcd !== undefined && ours !== undefined) this.keep(name, [etcd, ours]);
    return outcomes;
  }

  private keep(name: string, tokens: Both<string>): void {
    this.logins.push(tokens);
    this.lastOf.set(name, tokens);
  }

  private keepAlive(ids: readonly bigint[], as: Actor): Promise<Both<Outcome>> {
    return both(this.round.callers, async (caller, position) => {
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
      kept ??
      (await both(this.round.callers, (caller, position) => Promise.resolve(this.openWatch(caller, position, as))));
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

/**
 * Plays the sequences of a round, and tells `note` of each exchange.
 *
 * @throws Error that tells all that was said in the round, if an answer differs in a way that is not known
 */
export async function play(
  servers: Servers,
  channels: Both<Channel>,
  { beginning, sequences }: AuthRound,
  note: (exchange: Exchange) => void,
): Promise<void> {
  const said: string[] = [showFields(beginning)];
  const round = new Round(servers, channels, beginning);
  const check = (exchange: Exchange) => {
    note(exchange);
    said.push(describe(exchange));
    assert(exchange.difference !== "unknown", said.join("\n"));
  };
  for (const steps of sequences) {
    await playSequence(round, steps, check);
    said.push("--");
  }
}

async function playSequence(round: Round, steps: readonly Step[], check: (exchange: Exchange) => void): Promise<void> {
  const players = await Players.start(round);
  try {
    players.exchanges.forEach(check);
    const grants = new SecondGrants(round.beginning);
    for (const step of steps) {
      const exchange = await players.play(step);
      check(exchange);
      if (!partsThem(exchange, grants)) continue;
      round.part();
      break;
    }
  } finally {
    players.close();
  }
}
