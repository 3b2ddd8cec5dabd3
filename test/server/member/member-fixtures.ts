// Members in a temporary directory, on unix sockets without ports.
import { votersOnly } from "../../../testing/entries.js";
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { systemClock } from "../../../platform/index.js";
import { type CoreStatus, type LogIndex, logStart, type MemberId, noMember, type Term } from "../../../raft/index.js";
import { configFromFlags, defaultFlags, type MemberConfig, type ServerFlags } from "../../../server/config/config.js";
import { createLogger, type Logger } from "../../../server/base/logger.js";
import type { MemberEnvironment } from "../../../server/member/parts.js";
import type { Incarnation, PeerAdmission, PeersListener } from "../../../server/peers/index.js";

/** Creates a directory that is removed after the test. Its path is short, because the path of a unix socket has at most about 100 bytes. */
export const temporaryDirectory = async (t: TestContext): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), "mt-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
};

export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** Returns a logger that records its lines. */
export const recordingLogger = (): { logger: Logger; lines: LogLine[] } => {
  const lines: LogLine[] = [];
  const logger = createLogger({
    level: "debug",
    write: (line) => void lines.push(JSON.parse(line) as LogLine),
    timestamp: () => "2000-01-01T00:00:00.000Z",
  });
  return { logger, lines };
};

/** Returns the configuration of a single member, with all its sockets in `directory`. */
export const singleMember = (directory: string, flags: Partial<ServerFlags> = {}): MemberConfig => {
  const peer = `unix://${join(directory, "peer")}`;
  const client = `unix://${join(directory, "client")}`;
  return configFromFlags({
    ...defaultFlags,
    rpcEngine: process.env["RPC_ENGINE"] ?? defaultFlags.rpcEngine,
    dataDir: join(directory, "data"),
    listenClientUrls: client,
    advertiseClientUrls: client,
    listenPeerUrls: peer,
    initialAdvertisePeerUrls: peer,
    ...flags,
  });
};

export const quietEnvironment = (): MemberEnvironment & { readonly lines: readonly LogLine[] } => {
  const { logger, lines } = recordingLogger();
  return { clock: systemClock, random: () => 0.5, logger, lines };
};

/** The incarnation of members whose starts are not part of the test. */
export const knownIncarnation: Incarnation = { directory: 1n, start: 1, run: 1n };

/** Admits every peer. */
export const admitAll = (): Promise<undefined> => Promise.resolve(undefined);

/** The incarnations of a member that admits every peer. */
export const admitting: PeerAdmission = { own: knownIncarnation, admitPeer: admitAll };

/** Returns a listener that accepts messages only, apart from `own`. */
export const peersListener = (own: Partial<PeersListener> = {}): PeersListener => ({
  onMessage: () => undefined,
  onCalls: () => assert.fail("a call"),
  onSnapshot: () => assert.fail("a snapshot"),
  onFenced: (reason) => assert.fail(reason),
  onLinkOpened: () => undefined,
  onLinkClosed: () => undefined,
  ...own,
});

/** Returns the status of a follower without a leader, apart from `changes`. */
export const coreStatus = (changes: Partial<CoreStatus> = {}): CoreStatus => ({
  id: 1n as MemberId,
  role: "follower",
  term: 1 as Term,
  vote: noMember,
  leader: noMember,
  commit: 0 as LogIndex,
  base: { ...logStart, configuration: votersOnly(1n, 2n, 3n) },
  configuration: votersOnly(1n, 2n, 3n),
  lastIndex: 0 as LogIndex,
  savedIndex: 0 as LogIndex,
  ...changes,
});
