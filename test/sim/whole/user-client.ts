// A user that reads and writes its own keys and those of another user, with a token or the name of a certificate.

import assert from "node:assert/strict";
import {
  AuthenticateRequest,
  AuthenticateResponse,
  DeleteRangeRequest,
  DeleteRangeResponse,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
} from "../../../proto/index.js";
import { statusCode } from "../../../server/rpc/status.js";
import type { Codec, CallOutcome, SeededRandom } from "../../../testing/index.js";
import { identityOf } from "./history.js";
import { outcomeText } from "./kv-client.js";
import type { UserPromises } from "./user-promises.js";
import { bytes, checkAnswered, Home, thinkingTime, type World } from "./world.js";
import { Writes } from "./writes.js";

const methods = {
  login: { path: "/etcdserverpb.Auth/Authenticate", request: AuthenticateRequest, response: AuthenticateResponse },
  put: { path: "/etcdserverpb.KV/Put", request: PutRequest, response: PutResponse },
  deleteRange: { path: "/etcdserverpb.KV/DeleteRange", request: DeleteRangeRequest, response: DeleteRangeResponse },
  range: { path: "/etcdserverpb.KV/Range", request: RangeRequest, response: RangeResponse },
} as const;

/** Options of a user. */
export interface UserClientOptions {
  /** The prefix of its own keys, and that of the other user's. */
  readonly prefix: string;
  readonly foreignPrefix: string;
  /** Undefined: the user has a certificate. */
  readonly password: string | undefined;
}

export class UserClient {
  readonly writes: Writes;
  private readonly home: Home;
  private token: string | undefined;
  private count = 0;
  private isCalm = false;

  constructor(
    readonly name: string,
    private readonly world: World,
    private readonly promises: UserPromises,
    private readonly random: SeededRandom,
    private readonly options: UserClientOptions,
  ) {
    this.home = new Home(world, random);
    this.writes = new Writes(name, world);
  }

  /** Sends requests until the simulation is over, once authentication is on. */
  async run(usersAreChecked: Promise<void>): Promise<void> {
    await usersAreChecked;
    while (!this.world.isOver) {
      await this.world.scheduler.sleep(thinkingTime(this.random, this.isCalm ? 500 : 40));
      if (this.options.password !== undefined && this.token === undefined) await this.logIn(this.options.password);
      else await this.act();
    }
  }

  /** Makes the client send requests rarely from now on. */
  slowDown(): void {
    this.isCalm = true;
  }

  private async logIn(password: string): Promise<void> {
    const outcome = await this.call(methods.login, AuthenticateRequest.create({ name: this.name, password }), "log in");
    if (outcome.kind === "ok") this.token = outcome.response.token;
  }

  private async act(): Promise<void> {
    const { prefix, foreignPrefix } = this.options;
    const isOwn = this.random.chance(0.7);
    const key = `${isOwn ? prefix : foreignPrefix}${this.random.between(0, 2)}`;
    const kind = this.random.pick(["put", "put", "delete", "read"]);
    if (kind === "read") return this.read(key, isOwn ? prefix : foreignPrefix);
    const unique = `${this.name}.${++this.count}`;
    if (kind === "put") {
      const request = PutRequest.create({ key: bytes(key), value: bytes(unique) });
      await this.writes.ask(identityOf({ kind: "put", request }), () =>
        this.work(methods.put, request, `put ${key}=${unique}`),
      );
    } else {
      const request = DeleteRangeRequest.create({ key: bytes(key), rangeEnd: bytes(`${key}\0${unique}`) });
      await this.writes.ask(identityOf({ kind: "deleteRange", request }), () =>
        this.work(methods.deleteRange, request, `delete ${key}`),
      );
    }
  }

  /** Checks that an answered linearizable read was allowed at some moment since it was sent. */
  private async read(key: string, prefix: string): Promise<void> {
    const from = this.world.scheduler.now;
    const outcome = await this.work(methods.range, RangeRequest.create({ key: bytes(key) }), `read ${key}`);
    if (outcome.kind === "ok")
      assert.ok(this.promises.hadRightsSince(from, this.name, prefix), `${this.name} was not allowed to read ${key}`);
  }

  /** Sends a request with the identity of the user. */
  private async work<Request, Response>(
    method: { path: string; request: Codec<Request>; response: Codec<Response> },
    request: Request,
    what: string,
  ): Promise<CallOutcome<Response>> {
    const { counts } = this.world;
    const outcome = await this.call(method, request, what);
    if (outcome.kind === "ok") counts.userRequests++;
    if (outcome.kind !== "error") return outcome;
    if (outcome.status.code === statusCode.permissionDenied) counts.userRefusals++;
    if (outcome.status.code === statusCode.unauthenticated) this.token = undefined;
    return outcome;
  }

  private async call<Request, Response>(
    method: { path: string; request: Codec<Request>; response: Codec<Response> },
    request: Request,
    what: string,
  ): Promise<CallOutcome<Response>> {
    const { rpc, eventLog, timeoutMs, isCalm } = this.world;
    const host = this.home.current;
    const { token } = this;
    const caller = {
      certificateName: this.options.password === undefined ? this.name : undefined,
      metadata: (key: string) => (key === "token" ? token : undefined),
    };
    const outcome = await rpc.call(host, method, request, timeoutMs, caller);
    const line = `${this.name} at ${host.name}: ${what}: ${outcomeText(outcome)}`;
    eventLog.addLine(line);
    checkAnswered(isCalm, outcome, line);
    this.home.reconsider(outcome);
    return outcome;
  }
}
