// Members in a temporary directory, on unix sockets: no port is taken.
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

/** A directory of the test's own, gone after it. Short: a unix socket's path takes about 100 bytes. */
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

/** A logger whose lines can be looked at. */
export const recordingLogger = (): { logger: Logger; lines: LogLine[] } => {
  const lines: LogLine[] = [];
  const logger = createLogger({
    level: "debug",
    write: (line) => void lines.push(JSON.parse(line) as LogLine),
    timestamp: () => "2000-01-01T00:00:00.000Z",
  });
  return { logger, lines };
};

/** One member alone, with all its sockets in `directory`. */
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

/** For links between members of which nobody has forgotten anything. */
export const knownIncarnation: Incarnation = { directory: 1n, start: 1, run: 1n };

/** Admits every peer. */
export const admitAll = (): Promise<undefined> => Promise.resolve(undefined);

/** The incarnations of a member that admits every peer. */
export const admitting: PeerAdmission = { own: knownIncarnation, admitPeer: admitAll };

/** Expects nothing but messages and what a test replaces. */
export const peersListener = (own: Partial<PeersListener> = {}): PeersListener => ({
  onMessage: () => undefined,
  onCalls: () => assert.fail("a call"),
  onSnapshot: () => assert.fail("a snapshot"),
  onFenced: (reason) => assert.fail(reason),
  onLinkOpened: () => undefined,
  onLinkClosed: () => undefined,
  ...own,
});

/** The status of a follower without a leader, but for `changes`. */
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
