import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { systemClock, type Clock } from "../../../platform/index.js";
import type { LogIndex, MemberId, Term } from "../../../raft/index.js";
import { createLogger } from "../../../server/index.js";
import { Peers } from "../../../server/peers/peers.js";
import { admitting, peersListener } from "../member/member-fixtures.js";
import { eventually, within } from "../../support/deadline.js";
import { toClusterId } from "../../../testing/ids.js";

const logger = createLogger({ level: "fatal", write: () => undefined, timestamp: () => "" });
const ids = { here: 1n as MemberId, away: 2n as MemberId };
const heartbeat = { kind: "heartbeat", term: 1 as Term, commit: 0 as LogIndex, round: 1 } as const;

const listenAt = async (path: string, peers: Peers): Promise<Server> => {
  const server = createServer((socket) => peers.accept(socket)).listen(path);
  await once(server, "listening");
  return server;
};

test("a peer that returns is dialled when it connects, not at the next attempt", async () => {
  const folder = await mkdtemp(join(tmpdir(), "minietcd-"));
  let onGivenUp = (): void => undefined;
  const dialFailed = new Promise<void>((resolve) => (onGivenUp = resolve));
  // No timer fires; the first is the handshake's, the second the retry's.
  let timers = 0;
  const clock: Clock = { ...systemClock, after: () => (++timers === 2 && onGivenUp(), () => undefined) };
  const peersOf = (self: MemberId, other: MemberId): Peers =>
    new Peers({
      incarnations: admitting,
      clusterId: toClusterId(7n),
      self,
      peers: [{ id: other, addresses: [{ kind: "unix", path: join(folder, `${other}`) }] }],
      clock,
      logger,
    });
  let heard = 0;
  const here = peersOf(ids.here, ids.away);
  const away = peersOf(ids.away, ids.here);
  const servers: Server[] = [];
  try {
    servers.push(await listenAt(join(folder, `${ids.here}`), here));
    void here.open(peersListener());
    await within(5_000, "a first attempt that fails", dialFailed);

    servers.push(await listenAt(join(folder, `${ids.away}`), away));
    void away.open(peersListener({ onMessage: () => heard++ }));
    await eventually(5_000, "a message to the member that came back", () => {
      here.send([{ to: ids.away, message: heartbeat }]);
      return heard > 0 ? true : undefined;
    });
  } finally {
    here.close();
    away.close();
    for (const server of servers) server.close();
    await rm(folder, { recursive: true, force: true });
  }
});
