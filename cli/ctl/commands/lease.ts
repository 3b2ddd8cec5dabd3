// minietcdctl lease grant, revoke, timetolive, list, keep-alive
import { setTimeout as sleep } from "node:timers/promises";
import { Command } from "commander";
import { EtcdError, type LeaseRenewResult } from "../../../client/index.js";
import {
  booleanFlag,
  etcdText,
  exitCodes,
  Failure,
  type Io,
  parseCounter,
  parseInt64,
  ValueError,
  warningsOf,
} from "../args/index.js";
import { withSession, type Session } from "./session.js";

/** Declares `lease grant`, with its help. */
export const grantCommand = (): Command =>
  new Command("grant")
    .description("Grants a lease: it expires, and its keys are deleted, <ttl> seconds after the last renewal")
    .usage("[options] <ttl>")
    .addHelpText("after", "\nExample:\n  $ minietcdctl lease grant 60");

/** Declares `lease revoke`, with its help. */
export const revokeCommand = (): Command =>
  new Command("revoke")
    .description("Ends a lease and deletes its keys")
    .usage("[options] <lease_id>")
    .addHelpText("after", "\nExample:\n  $ minietcdctl lease revoke 32695410dcc0ca06");

/** Declares `lease timetolive`, with its help. */
export const timeToLiveCommand = (): Command =>
  new Command("timetolive")
    .description("Prints the remaining time of a lease")
    .usage("[options] <lease_id>")
    .addOption(booleanFlag("--keys", "also print the attached keys"))
    .addHelpText("after", "\nExample:\n  $ minietcdctl lease timetolive 32695410dcc0ca06 --keys");

/** Declares `lease list`, with its help. */
export const leaseListCommand = (): Command =>
  new Command("list").description("Lists all leases").addHelpText("after", "\nExample:\n  $ minietcdctl lease list");

/** Declares `lease keep-alive`, with its help. */
export const keepAliveCommand = (): Command =>
  new Command("keep-alive")
    .description("Renews a lease until it ends or this program ends")
    .usage("[options] <lease_id>")
    .addOption(booleanFlag("--once", "renew it once"))
    .addHelpText("after", "\nExample:\n  $ minietcdctl lease keep-alive 32695410dcc0ca06");

/** Grants a lease. */
export async function runGrant(command: Command, io: Io): Promise<void> {
  const ttlSeconds = ttlOf(onlyArgument(command, "lease grant command needs TTL argument"));
  await withSession(command, io, async ({ client, printer, limits }) => {
    printer.leaseGrant(await prefixFailure("failed to grant lease", io, client.lease.grant({ ttlSeconds, ...limits })));
  });
}

/** Revokes a lease. */
export async function runRevoke(command: Command, io: Io): Promise<void> {
  const id = idOf(onlyArgument(command, "lease revoke command needs 1 argument"));
  await withSession(command, io, async ({ client, printer, limits }) => {
    printer.leaseRevoke({
      id,
      ...(await prefixFailure("failed to revoke lease", io, client.lease.revoke(id, limits))),
    });
  });
}

/** Prints the remaining time of a lease. */
export async function runTimeToLive(command: Command, io: Io): Promise<void> {
  const id = idOf(onlyArgument(command, "lease timetolive command needs lease ID as argument"));
  const { keys } = command.opts<{ keys: boolean }>();
  await withSession(command, io, async ({ client, printer, limits }) => {
    const result = await resultOrBadConnection(io, client.lease.timeToLive(id, { keys, ...limits }));
    printer.leaseTimeToLive({ id, ...result }, { keys });
  });
}

/** Prints the ids of all leases. */
export const runLeaseList = (command: Command, io: Io): Promise<void> =>
  withSession(command, io, async ({ client, printer, limits }) => {
    printer.leaseList(await resultOrBadConnection(io, client.lease.list(limits)));
  });

/** Renews a lease: with `--once`, once; otherwise until the lease has ended. */
export async function runKeepAlive(command: Command, io: Io): Promise<void> {
  const id = idOf(onlyArgument(command, "lease keep-alive command needs lease ID as argument"));
  const { once } = command.opts<{ once: boolean }>();
  await withSession(command, io, (session) => (once ? renewOnce(id, session, io) : renewUntilGone(id, session, io)));
}

async function renewOnce(id: bigint, { client, printer, limits }: Session, io: Io): Promise<void> {
  const result = await resultOrBadConnection(io, client.lease.renew(id, limits));
  if (result.ttlSeconds <= 0) throw new Failure(exitCodes.badConnection, "etcdserver: requested lease not found");
  printer.leaseKeepAlive({ id, ...result });
}

/** Renewals within one TTL: two may fail before the lease expires. */
const renewalsPerTtl = 3;

/** The longest time of a Node timer; with a longer time it fires at once. */
const longestTimerMs = 2 ** 31 - 1;

/** Milliseconds until the next renewal of a lease. */
export const renewalPauseMs = (ttlSeconds: number): number =>
  Math.min((ttlSeconds * 1_000) / renewalsPerTtl, longestTimerMs);

/** Pause between tries while no server answers. */
const retryPauseMs = 500;

async function renewUntilGone(id: bigint, { client, printer, limits }: Session, io: Io): Promise<void> {
  let result = await resultOrBadConnection(io, client.lease.renew(id, limits));
  let renewedAt = performance.now();
  while (result.ttlSeconds > 0) {
    printer.leaseKeepAlive({ id, ...result });
    await sleep(renewalPauseMs(result.ttlSeconds));
    const renewed = await renewBefore(renewedAt + result.ttlSeconds * 1_000, () => client.lease.renew(id, limits), io);
    if (renewed === undefined) break;
    result = renewed;
    renewedAt = performance.now();
  }
  printer.leaseExpiry(id);
}

/** Renews a lease, with retries. @returns undefined if no server has answered until the lease must have expired */
async function renewBefore(
  time: number,
  renew: () => Promise<LeaseRenewResult>,
  io: Io,
): Promise<LeaseRenewResult | undefined> {
  for (;;) {
    try {
      return await renew();
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      for (const warning of [...warningsOf(error), etcdText(error)]) io.note(`Warning: ${warning}`);
      if (performance.now() + retryPauseMs >= time) return undefined;
      await sleep(retryPauseMs);
    }
  }
}

function onlyArgument({ args: [text, ...more] }: Command, reason: string): string {
  if (text === undefined || more.length > 0) throw new Failure(exitCodes.badArguments, reason);
  return text;
}

const ttlOf = (text: string) =>
  parseOrFail(
    () => parseCounter(text, 10),
    (reason) => `bad TTL (${reason})`,
  );

const idOf = (text: string) =>
  parseOrFail(
    () => parseInt64(text, 16),
    (reason) => `bad lease ID arg (${reason}), expecting ID in Hex`,
  );

function parseOrFail<Value>(parse: () => Value, complaint: (reason: string) => string): Value {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof ValueError)) throw error;
    throw new Failure(exitCodes.badArguments, complaint(error.message));
  }
}

/** Returns the result, or throws a failure whose text begins with `what`. */
async function prefixFailure<Result>(what: string, io: Io, result: Promise<Result>): Promise<Result> {
  return await resultOrFailure(io, result, (text) => new Failure(exitCodes.error, `${what} (${text})`));
}

/** Returns the result, or throws etcdctl's failure for reads and renewals of leases: with the exit code of a bad connection. */
async function resultOrBadConnection<Result>(io: Io, result: Promise<Result>): Promise<Result> {
  return await resultOrFailure(io, result, (text) => new Failure(exitCodes.badConnection, text));
}

async function resultOrFailure<Result>(
  io: Io,
  result: Promise<Result>,
  failure: (text: string) => Failure,
): Promise<Result> {
  try {
    return await result;
  } catch (error) {
    if (!(error instanceof EtcdError)) throw error;
    for (const warning of warningsOf(error)) io.note(`Warning: ${warning}`);
    throw failure(etcdText(error));
  }
}
