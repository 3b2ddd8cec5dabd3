// Plays a sequence on both servers, from the same state, and collects the differences of their answers.
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { comparableLeaseOf } from "../differential/leases.js";
import type { Channel, Fields, Request } from "../differential/requests.js";
import { showFields } from "../differential/show.js";
import type { Conversation, Outcome } from "./calls.js";
import type { TokenForm } from "./gateway-forms.js";
import { auth, Round } from "./round.js";
import { SecondGrants } from "./second-grants.js";
import { type SequenceMask, sequenceMasks } from "./sequence-masks.js";
import { type Actor, type AuthCall, type AuthRound, passwords, type Step, type Way } from "./sequence-steps.js";
import { type Both, callBoth, type Servers } from "./servers.js";

export interface Exchange {
  readonly step: Step;
  /** The step as text. */
  readonly said: string;
  readonly etcd: Outcome;
  readonly ours: Outcome;
  /** The difference of the outcomes; "unknown": it has no explanation. */
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
  /** Tokens of all logins so far, and the last token of each user. */
  private readonly logins: Both<string>[] = [];
  private readonly lastOf = new Map<string, Both<string>>();
  private readonly streams = new Map<number, Both<Conversation>>();

  private constructor(
    private readonly round: Round,
    private readonly authRevisions: Both<bigint>,
  ) {}

  /** Gives both servers the same state, and logs in the users whose earlier login is not valid any more. */
  static async start(round: Round): Promise<Players> {
    const players = new Players(round, await round.begin());
    if (round.beginning.enabled)
      for (const name of round.userNames) {
        const kept = round.tokensOf(name);
        if (kept === undefined) await players.play({ kind: "login", way: plain, name, password: passwords[0] });
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
    const said = this.describeStep(step);
    const fields = this.fieldsOf(step);
    const request = step.kind === "ask" ? step.request(this.round.revisions) : undefined;
    const outcomes = await this.perform(step);
    const [etcd, ours] = outcomes.map((outcome, position) =>
      this.comparableOf(outcome, position as 0 | 1, request),
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

  private describeStep(step: Step): string {
    switch (step.kind) {
      case "login":
        return `log in as "${step.name}" with "${step.password}"${wayText(step.way)}`;
      case "auth":
        return `${nameOf(step.as)}${wayText(step.way)}: ${step.call.method} ${showFields(step.call.fields)}`;
      case "ask": {
        const { method, message } = step.request(this.round.revisions);
        return `${nameOf(step.as)}${wayText(step.way)}: ${method} ${showFields(message)}`;
      }
      case "watch":
        return `${nameOf(step.as)}${wayText(step.way)}: watch ${showFields(step.create(this.round.revisions))}`;
      case "watch again":
        return `${nameOf(step.as)}: on stream ${step.stream} ${showFields(step.create(this.round.revisions))}`;
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
      case "watch again":
        return step.create(this.round.revisions);
    }
  }

  private perform(step: Step): Promise<Both<Outcome>> {
    switch (step.kind) {
      case "login":
        return this.login(step);
      case "auth":
        return this.call(step.call, step.as, step.way);
      case "ask": {
        const { method, message } = step.request(this.round.revisions);
        if (method === "leaseKeepAlive") return this.keepAlive(message.ids, step.as, step.way);
        return this.call({ method: methods[method], fields: message }, step.as, step.way);
      }
      case "watch":
        return this.watch(step);
      case "watch again":
        return this.watchAgain(step);
    }
  }

  private call({ method, fields }: AuthCall, as: Actor, way: Way): Promise<Both<Outcome>> {
    if (way.over === "gateway") return this.overGateway(method, [fields], as, way.form);
    const { header } = way;
    return callBoth(this.round.callers, (caller, position) =>
      caller.call({ method, fields, header, token: this.tokenOf(as, position) }),
    );
  }

  private overGateway(method: string, messages: readonly object[], as: Actor, form: TokenForm): Promise<Both<Outcome>> {
    return callBoth(this.round.gateways, (gateway, position) =>
      gateway.call({ method, messages, form, token: this.tokenOf(as, position) }),
    );
  }

  private async login({ name, password, way }: Extract<Step, { kind: "login" }>): Promise<Both<Outcome>> {
    const outcomes = await this.call(auth("Authenticate", { name, password }), { kind: "nobody" }, way);
    const tokens = outcomes.map(({ messages }) => messages[0]?.["token"] as string | undefined);
    const [etcd, ours] = tokens;
    if (etcd !== undefined && ours !== undefined) this.keep(name, [etcd, ours]);
    return outcomes;
  }

  private keep(name: string, tokens: Both<string>): void {
    this.logins.push(tokens);
    this.lastOf.set(name, tokens);
  }

  private keepAlive(ids: readonly bigint[], as: Actor, way: Way): Promise<Both<Outcome>> {
    if (way.over === "gateway") {
      const messages = ids.map((ID) => ({ ID }));
      return this.overGateway(methods.leaseKeepAlive, messages, as, way.form);
    }
    return callBoth(this.round.callers, async (caller, position) => {
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

  private async watch({ as, way, create }: Extract<Step, { kind: "watch" }>): Promise<Both<Outcome>> {
    const request = create(this.round.revisions);
    if (way.over === "gateway") return this.overGateway("Watch/Watch", [request], as, way.form);
    const streams = await this.openWatches(as);
    const outcomes = await createWatcher(streams, request);
    for (const stream of streams) stream.close();
    return outcomes;
  }

  private async watchAgain({ as, stream, create }: Extract<Step, { kind: "watch again" }>): Promise<Both<Outcome>> {
    const streams = this.streams.get(stream) ?? (await this.openWatches(as));
    const outcomes = await createWatcher(streams, create(this.round.revisions));
    if (outcomes.every(({ code }) => code === 0)) this.streams.set(stream, streams);
    else {
      this.streams.delete(stream);
      for (const each of streams) each.close();
    }
    return outcomes;
  }

  private openWatches(as: Actor): Promise<Both<Conversation>> {
    return callBoth(this.round.callers, (caller, position) =>
      Promise.resolve(caller.open({ method: "Watch/Watch", token: this.tokenOf(as, position) })),
    );
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

  /** Returns the comparable part of an outcome. */
  private comparableOf(
    { code, details, messages, http }: Outcome,
    position: 0 | 1,
    request: Request | undefined,
  ): Outcome {
    return {
      code,
      details,
      ...(http === undefined ? {} : { http }),
      messages: messages.map((message) => {
        const fields = request === undefined ? message : comparableLeaseOf(request, message);
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

const plain: Way = { over: "grpc", header: "token" };

const createWatcher = (streams: Both<Conversation>, request: object): Promise<Both<Outcome>> =>
  callBoth(streams, (stream) => {
    stream.send(request);
    return stream.next((message) => message["created"] === true);
  });

const wayText = (way: Way): string => (way.over === "grpc" ? "" : ` over the gateway (${way.form})`);

const nameOf = (as: Actor): string => {
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

const showOutcome = ({ code, details, messages, http }: Outcome): string => {
  const answers = messages.map((message) => showFields(message));
  const error = code === 0 ? [] : [`error ${code} "${details}"`];
  return [...answers, ...error, ...(http === undefined ? [] : [JSON.stringify(http)])].join(" ");
};

const describe = ({ said, etcd, ours, difference }: Exchange): string => {
  const lines =
    difference === "none"
      ? [`both: ${showOutcome(etcd)}`]
      : [`etcd: ${showOutcome(etcd)}`, `ours: ${showOutcome(ours)}`];
  return [said, ...lines.map((line) => `  ${line}`)].join("\n");
};

/** Tells whether the servers may have different states after a step, for a known reason. */
const makesServersDiffer = ({ step, etcd, difference }: Exchange, grants: SecondGrants): boolean =>
  (typeof difference === "object" && difference.parts) ||
  (step.kind === "auth" && etcd.code === 0 && grants.note(step.call));

/**
 * Plays the sequences of a round, and calls `note` for each exchange.
 * | @throws Error with the exchanges of the round, if an answer differs in an unknown way
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
      if (!makesServersDiffer(exchange, grants)) continue;
      round.part();
      break;
    }
  } finally {
    players.close();
  }
}
