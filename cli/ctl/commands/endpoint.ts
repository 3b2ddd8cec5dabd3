// minietcdctl endpoint health, status, hashkv
import { Command } from "commander";
import { type Client, EtcdError } from "../../../client/index.js";
import {
  booleanFlag,
  counterFlag,
  etcdText,
  exitCodes,
  Failure,
  type Io,
  SilentFailure,
  warningsOf,
} from "../args/index.js";
import { alarmName, type EndpointHash, type EndpointStatus, type Health } from "../output/index.js";
import { withSession, type Session } from "./session.js";

/** Declares `--cluster`. */
export const clusterFlag = () => booleanFlag("--cluster", "use the client URLs of all members instead of --endpoints");

/** Declares `endpoint health`, with its help. */
export const healthCommand = (): Command =>
  new Command("health")
    .description("Checks that each endpoint can read a key through a quorum, and has no active alarm")
    .addOption(clusterFlag())
    .addHelpText("after", "\nExample:\n  $ minietcdctl endpoint health --cluster");

/** Declares `endpoint status`, with its help. */
export const statusCommand = (): Command =>
  new Command("status")
    .description("Prints the status of each endpoint")
    .addOption(clusterFlag())
    .addHelpText(
      "after",
      `
Prints: endpoint, member id, version, storage version, bytes on disk, bytes in use, percentage not in use, quota, is leader,
is learner, raft term, raft index, raft applied index, errors, downgrade target version, downgrade enabled.

Example:
  $ minietcdctl --endpoints 127.0.0.1:2379,127.0.0.1:22379 endpoint status`,
    );

/** Declares `endpoint hashkv`, with its help. */
export const hashKvCommand = (): Command =>
  new Command("hashkv")
    .description("Prints a hash of each endpoint's history; endpoints with equal data have equal hashes")
    .addOption(clusterFlag())
    .addOption(counterFlag("--rev <revision>", "up to this revision; 0: the newest"))
    .addHelpText("after", "\nExample:\n  $ minietcdctl endpoint hashkv --cluster --rev 1000");

/** The key that a health check reads. The key need not exist. */
const healthKey = "health";

/** Checks the health of each endpoint. @throws Failure if one is unhealthy */
export const runHealth = (command: Command, io: Io): Promise<void> =>
  withSession(command, io, async (session) => {
    const endpoints = await endpointsOf(command, session);
    const results = await Promise.all(endpoints.map((endpoint) => healthOf(endpoint, session, io)));
    // sorted by the time of the answer, as in etcdctl
    results.sort((a, b) => a.tookMs - b.tookMs);
    session.printer.endpointHealth(results);
    if (results.some(({ healthy }) => !healthy)) throw new Failure(exitCodes.error, "unhealthy cluster");
  });

async function healthOf(endpoint: string, session: Session, io: Io): Promise<Health> {
  const { limits } = session;
  await using client = session.clientOf(endpoint);
  const startedAt = performance.now();
  const failure = await client.kv.get(healthKey, limits).then(() => undefined, toExpectedFailure);
  const tookMs = performance.now() - startedAt;
  const result = (error?: string): Health =>
    error === undefined ? { endpoint, healthy: true, tookMs } : { endpoint, healthy: false, tookMs, error };
  // "permission-denied" is an answer of a healthy member: it has checked the user against the replicated state.
  if (failure === undefined || failure.code === "permission-denied") return result(await alarmsOf(client, limits));
  for (const warning of warningsOf(failure)) io.note(`Warning: ${warning}`);
  return result(etcdText(failure));
}

function toExpectedFailure(error: unknown): EtcdError {
  if (error instanceof EtcdError) return error;
  throw error;
}

/** Returns undefined if no alarm is active; otherwise etcdctl's text, which names the alarms. */
async function alarmsOf({ maintenance }: Client, limits: Session["limits"]): Promise<string | undefined> {
  try {
    const { alarms } = await maintenance.alarmList(limits);
    if (alarms.length === 0) return undefined;
    return `Active Alarm(s): ${alarms.map(({ alarm }) => `${alarmName(alarm)} `).join("")}`;
  } catch (error) {
    toExpectedFailure(error);
    return "Unable to fetch the alarm list";
  }
}

/** Prints the status of each endpoint. */
export const runStatus = (command: Command, io: Io): Promise<void> =>
  withSession(command, io, async (session) => {
    const results: EndpointStatus[] = [];
    const failures = await eachEndpoint(command, io, session, "status", async (endpoint) => {
      results.push({ endpoint, ...(await session.client.maintenance.status(endpoint, session.limits)) });
    });
    session.printer.endpointStatus(results);
    if (failures.length > 0) throw new SilentFailure(exitCodes.error);
  });

/** Prints the hash of the keys and history of each endpoint. */
export const runHashKv = (command: Command, io: Io): Promise<void> =>
  withSession(command, io, async (session) => {
    const { rev } = command.opts<{ rev: number }>();
    const results: EndpointHash[] = [];
    const failures = await eachEndpoint(command, io, session, "hash", async (endpoint) => {
      results.push({ endpoint, ...(await session.client.maintenance.hashKv(endpoint, rev, session.limits)) });
    });
    session.printer.endpointHashKv(results);
    const last = failures.at(-1);
    if (last !== undefined) throw new Failure(exitCodes.error, etcdText(last));
  });

/** Asks one endpoint after the other; reports a failed endpoint and continues with the next. */
async function eachEndpoint(
  command: Command,
  io: Io,
  session: Session,
  what: string,
  ask: (endpoint: string) => Promise<void>,
): Promise<EtcdError[]> {
  const failures: EtcdError[] = [];
  for (const endpoint of await endpointsOf(command, session)) {
    try {
      await ask(endpoint);
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      failures.push(error);
      for (const warning of warningsOf(error)) io.note(`Warning: ${warning}`);
      io.note(`Failed to get the ${what} of endpoint ${endpoint} (${etcdText(error)})`);
    }
  }
  return failures;
}

/**
 * Returns the endpoints to ask: with `--cluster`, all client URLs of the members.
 *
 * @throws Failure if the members cannot be listed
 */
export async function endpointsOf(
  command: Command,
  { client, endpoints, limits }: Session,
): Promise<readonly string[]> {
  if (!command.opts<{ cluster: boolean }>().cluster) return endpoints;
  try {
    const { members } = await client.cluster.memberList(limits);
    return members.flatMap(({ clientURLs }) => clientURLs);
  } catch (error) {
    if (!(error instanceof EtcdError)) throw error;
    const text = `failed to fetch endpoints from etcd cluster member list: ${etcdText(error)}`;
    throw new Failure(exitCodes.error, text);
  }
}
