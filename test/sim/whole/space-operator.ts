// An operator who looks for alarms, then makes space and disarms them, at a random member.

import assert from "node:assert/strict";
import {
  type AlarmMember,
  AlarmRequest,
  AlarmRequest_AlarmAction as Action,
  AlarmResponse,
  CompactionRequest,
  CompactionResponse,
  DefragmentRequest,
  DefragmentResponse,
} from "../../../proto/index.js";
import type { Codec, CallOutcome, SeededRandom } from "../../../testing/index.js";
import type { AlarmPromises } from "./alarm-promises.js";
import { outcomeText } from "./kv-client.js";
import { checkAnswered, Home, noteRevision, thinkingTime, type World } from "./world.js";

const maintenance = "/etcdserverpb.Maintenance";
const alarm = { path: `${maintenance}/Alarm`, request: AlarmRequest, response: AlarmResponse };
const defragment = { path: `${maintenance}/Defragment`, request: DefragmentRequest, response: DefragmentResponse };
const compact = { path: "/etcdserverpb.KV/Compact", request: CompactionRequest, response: CompactionResponse };

export interface SpaceOperatorOptions {
  /** Whether members disarm their own alarms; the operator then only makes space. */
  readonly leavesAlarms: boolean;
}

export class SpaceOperator {
  private readonly home: Home;

  constructor(
    private readonly world: World,
    private readonly promises: AlarmPromises,
    private readonly random: SeededRandom,
    private readonly options: SpaceOperatorOptions,
  ) {
    this.home = new Home(world, random);
  }

  /** Looks for alarms until the simulation is over. */
  async run(): Promise<void> {
    while (!this.world.isOver) {
      await this.world.scheduler.sleep(thinkingTime(this.random, 400));
      const alarms = await this.list();
      if (alarms.length === 0) continue;
      await this.makeSpace();
      if (!this.options.leavesAlarms) for (const each of alarms) await this.disarm(each);
    }
  }

  private async list(): Promise<readonly AlarmMember[]> {
    const askedAt = this.world.scheduler.now;
    const outcome = await this.call(alarm, AlarmRequest.create(), "alarms");
    if (outcome.kind !== "ok") return [];
    this.promises.checkList(askedAt, outcome.response.alarms);
    return outcome.response.alarms;
  }

  private async makeSpace(): Promise<void> {
    const revision = this.world.floor;
    await this.call(compact, { revision: BigInt(revision), physical: true }, `compact ${revision}`);
    await this.call(defragment, DefragmentRequest.create(), "defragment");
  }

  private async disarm({ memberID, alarm: type }: AlarmMember): Promise<void> {
    const request = AlarmRequest.create({ action: Action.DEACTIVATE, memberID, alarm: type });
    const outcome = await this.call(alarm, request, `disarm ${memberID}`);
    if (outcome.kind !== "ok") return;
    const { alarms } = outcome.response;
    assert.ok(
      alarms.length <= 1 && alarms.every((each) => each.memberID === memberID),
      "it disarms what it is asked to",
    );
    this.world.counts.disarms += alarms.length;
    noteRevision(this.world, Number(outcome.response.header?.revision));
  }

  private async call<Request, Response>(
    method: { path: string; request: Codec<Request>; response: Codec<Response> },
    request: Request,
    what: string,
  ): Promise<CallOutcome<Response>> {
    const { rpc, eventLog, timeoutMs, isCalm } = this.world;
    const host = this.home.current;
    const outcome = await rpc.call(host, method, request, timeoutMs);
    const line = `operator at ${host.name}: ${what}: ${outcomeText(outcome)}`;
    eventLog.addLine(line);
    checkAnswered(isCalm, outcome, line);
    this.home.reconsider(outcome);
    return outcome;
  }
}
