import type { Channel, ChannelSettings, Transport } from "../../../client/index.js";
import type { MemberServices } from "../../../server/member/index.js";
import { InProcessChannel } from "./in-process-channel.js";
import type { Machine, RunningMember } from "../machine/index.js";
import type { StreamHold } from "./stream-hold.js";

/** Carries the calls of clients to the members of one test cluster, without a socket. */
export class InProcessTransport implements Transport {
  /** @param machines the machines, by the endpoints of their members */
  constructor(
    private readonly machines: ReadonlyMap<string, Machine>,
    private readonly hold: StreamHold,
    private readonly servicesOf: (member: RunningMember) => MemberServices,
  ) {}

  open(endpoint: string, settings: ChannelSettings): Channel {
    const machine = this.machines.get(endpoint.replace(/^http:\/\//, ""));
    if (machine === undefined) {
      const known = [...this.machines.keys()].join(", ");
      throw new TypeError(`Cannot use endpoint "${endpoint}": the members of this test cluster are at ${known}`);
    }
    return new InProcessChannel(machine, { settings, hold: this.hold, servicesOf: this.servicesOf });
  }
}
