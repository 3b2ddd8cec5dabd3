// A client that writes and reads, and compares each answer with the history of the cluster.

import assert from "node:assert/strict";
import {
  Compare_CompareResult as Result,
  Compare_CompareTarget as Target,
  CompactionRequest,
  CompactionResponse,
  DeleteRangeRequest,
  DeleteRangeResponse,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  TxnRequest,
  TxnResponse,
  type Compare,
  type RequestOp,
  type ResponseHeader,
} from "../../../proto/index.js";
import { statusCode } from "../../../server/rpc/status.js";
import type { Codec, CallOutcome, SeededRandom } from "../../../testing/index.js";
import { identityOf } from "./history.js";
import { type Asked, kindOfMethod } from "./recorded-operations.js";
import { assertSame } from "./same.js";
import { bytes, checkAnswered, Home, noteRevision, text, thinkingTime, type World } from "./world.js";
import { Writes } from "./writes.js";

const methods = {
  put: { path: "/etcdserverpb.KV/Put", request: PutRequest, response: PutResponse },
  deleteRange: { path: "/etcdserverpb.KV/DeleteRange", request: DeleteRangeRequest, response: DeleteRangeResponse },
  txn: { path: "/etcdserverpb.KV/Txn", request: TxnRequest, response: TxnResponse },
  range: { path: "/etcdserverpb.KV/Range", request: RangeRequest, response: RangeResponse },
  compact: { path: "/etcdserverpb.KV/Compact", request: CompactionRequest, response: CompactionResponse },
} as const;

/** Methods that the alarm NOSPACE refuses. */
const takesSpace = new Set<unknown>([methods.put, methods.txn]);

export interface KvClientOptions {
  readonly keys: number;
  readonly meanThinkMs: number;
  readonly compacts: boolean;
  readonly maxValueBytes: number;
}

export class KvClient {
  readonly writes: Writes;
  private readonly home: Home;
  private count = 0;
  private isCalm = false;
  /** The mod revision at which this client last saw each key. */
  private readonly believed = new Map<string, bigint>();

  constructor(
    readonly name: string,
    private readonly world: World,
    private readonly random: SeededRandom,
    private readonly options: KvClientOptions,
  ) {
    this.home = new Home(world, random);
    this.writes = new Writes(name, world);
  }

  /** Sends requests until the simulation is over. */
  async run(): Promise<void> {
    while (!this.world.isOver) {
      await this.world.scheduler.sleep(thinkingTime(this.random, this.isCalm ? 500 : this.options.meanThinkMs));
      await this.act();
    }
  }

  /** Makes the client send requests rarely from now on. */
  slowDown(): void {
    this.isCalm = true;
  }

  private act(): Promise<void> {
    const { random } = this;
    if (this.options.compacts && random.chance(0.03)) return this.compact();
    const kind = random.pick([
      "put",
      "put",
      "put",
      "delete",
      "txn",
      "txn",
      "read",
      "read",
      "read",
      "oldRead",
      "txnRead",
    ]);
    switch (kind) {
      case "put":
        return this.put();
      case "delete":
        return this.delete();
      case "txn":
        return this.txn();
      case "read":
        return this.read();
      case "oldRead":
        return this.readOldRevision();
      default:
        return this.txnRead();
    }
  }

  private key(): string {
    return `k${this.random.between(0, this.options.keys - 1)}`;
  }

  /** Returns a text that no other request has. */
  private unique(): string {
    return `${this.name}.${++this.count}`;
  }

  private value(): Uint8Array {
    return bytes(this.unique().padEnd(this.random.between(0, this.options.maxValueBytes), "."));
  }

  private put(): Promise<void> {
    const request = PutRequest.create({
      key: bytes(this.key()),
      value: this.value(),
      prevKv: this.random.chance(0.3),
    });
    return this.write(methods.put, request, { kind: "put", request }, putText(request));
  }

  private delete(): Promise<void> {
    const key = this.key();
    // The range holds one key; its end identifies the client and the request.
    const rangeEnd = bytes(`${key}\0${this.unique()}`);
    const request = DeleteRangeRequest.create({ key: bytes(key), rangeEnd, prevKv: this.random.chance(0.3) });
    return this.write(methods.deleteRange, request, { kind: "deleteRange", request }, `delete ${key}`);
  }

  /** Changes a key if it is unchanged since this client last saw it. */
  private txn(): Promise<void> {
    const key = this.key();
    const compare: Compare = {
      key: bytes(key),
      rangeEnd: new Uint8Array(),
      result: Result.EQUAL,
      target: Target.MOD,
      targetUnion: { $case: "modRevision", value: this.believed.get(key) ?? 0n },
    };
    const put = (of: string): PutRequest => PutRequest.create({ key: bytes(of), value: this.value() });
    const look: RequestOp = { request: { $case: "requestRange", value: RangeRequest.create({ key: bytes(key) }) } };
    const other = this.key();
    const puts = other !== key && this.random.chance(0.3) ? [put(key), put(other)] : [put(key)];
    const success: RequestOp[] = puts.map((value) => ({ request: { $case: "requestPut", value } }));
    if (puts.length === 1) success.push(look);
    const request: TxnRequest = { compare: [compare], success, failure: [look] };
    const what = `if ${key} is of revision ${this.believed.get(key) ?? 0n}: ${puts.map(putText).join(", ")}`;
    return this.write(methods.txn, request, { kind: "txn", request }, what);
  }

  private async compact(): Promise<void> {
    const revision = this.world.floor - this.random.between(0, 20);
    if (revision < 2) return;
    const request = CompactionRequest.create({ revision: BigInt(revision), physical: this.random.chance(0.3) });
    const outcome = await this.call(methods.compact, request, `compact ${revision}`);
    if (outcome.kind !== "ok") return;
    assert.ok(this.world.history.compactRevision >= revision, `compaction ${revision} was acknowledged, and not done`);
  }

  private async write<Request, Response extends { readonly header: ResponseHeader | undefined }>(
    method: { path: string; request: Codec<Request>; response: Codec<Response> },
    request: Request,
    write: Parameters<typeof identityOf>[0],
    what: string,
  ): Promise<void> {
    await this.writes.ask(identityOf(write), () => this.call(method, request, what));
  }

  private async read(): Promise<void> {
    const { random } = this;
    const key = this.key();
    const request = RangeRequest.create({
      key: bytes(random.chance(0.7) ? key : "k"),
      rangeEnd: random.chance(0.5) ? bytes("l") : new Uint8Array(),
      serializable: random.chance(0.25),
      limit: random.chance(0.2) ? 2n : 0n,
    });
    const { floor } = this.world;
    const outcome = await this.call(
      methods.range,
      request,
      `${request.serializable ? "serializable " : ""}read ${text(request.key)}`,
    );
    if (outcome.kind !== "ok") return;
    const revision = Number(outcome.response.header?.revision);
    if (!request.serializable)
      assert.ok(revision >= floor, `stale read by ${this.name}: of ${revision}, though ${floor} was known before`);
    this.checkRange(request, revision, outcome.response);
    noteRevision(this.world, revision);
    for (const { key: found, modRevision } of outcome.response.kvs) this.believed.set(text(found), modRevision);
  }

  /** Reads at an old revision, whose contents do not change. */
  private async readOldRevision(): Promise<void> {
    const revision = this.world.floor - this.random.between(0, 30);
    if (revision < 1) return;
    const request = RangeRequest.create({
      key: bytes("k"),
      rangeEnd: bytes("l"),
      revision: BigInt(revision),
      serializable: this.random.chance(0.5),
    });
    const outcome = await this.call(methods.range, request, `read at ${revision}`);
    if (outcome.kind === "ok") this.checkRange(request, revision, outcome.response);
    else if (outcome.kind === "error" && outcome.status.details.endsWith("has been compacted"))
      assert.ok(
        this.world.history.compactRevision > revision,
        `${revision} is not compacted, ${this.name} got that error`,
      );
    else if (outcome.kind === "error" && outcome.status.code === statusCode.outOfRange)
      assert.ok(request.serializable, `${revision} is not the future, ${this.name} got that error`);
  }

  /** Checks that two reads in a transaction are of one revision. */
  private async txnRead(): Promise<void> {
    const ranges = [this.key(), this.key()].map((key) => RangeRequest.create({ key: bytes(key) }));
    const request = TxnRequest.create({
      success: ranges.map((value): RequestOp => ({ request: { $case: "requestRange", value } })),
    });
    const { floor } = this.world;
    const outcome = await this.call(methods.txn, request, "read two keys");
    if (outcome.kind !== "ok") return;
    const revision = Number(outcome.response.header?.revision);
    assert.ok(revision >= floor, `stale read by ${this.name}: of ${revision}, though ${floor} was known before`);
    outcome.response.responses.forEach(({ response }, at) => {
      const range = ranges[at];
      assert.ok(response?.$case === "responseRange" && range !== undefined);
      this.checkRange(range, revision, response.value);
    });
    noteRevision(this.world, revision);
  }

  private checkRange(request: RangeRequest, revision: number, response: RangeResponse): void {
    const newest = this.world.history.revision;
    assert.ok(revision <= newest, `${this.name} received revision ${revision}, which nobody has come to`);
    const expected = this.world.history.rangeAt(revision, request);
    assertSame(
      { ...response, header: undefined },
      { ...expected, header: undefined },
      `what ${this.name} read at revision ${revision}`,
    );
  }

  private async call<Request, Response>(
    method: { path: string; request: Codec<Request>; response: Codec<Response> },
    request: Request,
    what: string,
  ): Promise<CallOutcome<Response>> {
    const { scheduler, rpc, eventLog, timeoutMs, counts, hasQuota, operations } = this.world;
    const host = this.home.current;
    const { isCalm } = this.world;
    const invoked = scheduler.now;
    const outcome = await rpc.call(host, method, request, timeoutMs);
    const kind = kindOfMethod(method);
    if (kind !== undefined)
      operations.note({ kind, client: this.name, invoked, request } as Asked, outcome, scheduler.now);
    if (method === (methods.range as unknown)) counts.reads++;
    if (outcome.kind === "refused") counts.refused++;
    const line = `${this.name} at ${host.name}: ${what}: ${outcomeText(outcome)}`;
    eventLog.addLine(line);
    checkAnswered(isCalm, outcome, line, hasQuota && takesSpace.has(method));
    this.home.reconsider(outcome);
    return outcome;
  }
}

/** Returns a put as text, without the padding of its value. */
const putText = ({ key, value }: PutRequest): string => `put ${text(key)}=${text(value).replace(/\.+$/, "")}`;

/** Describes an outcome in a few words. */
export const outcomeText = (outcome: CallOutcome<unknown>): string => {
  if (outcome.kind === "error") return outcome.status.details;
  if (outcome.kind !== "ok") return outcome.kind === "lost" ? "no answer" : "nobody listens";
  const { header } = outcome.response as { readonly header?: ResponseHeader };
  return `revision ${header?.revision ?? "?"}`;
};
