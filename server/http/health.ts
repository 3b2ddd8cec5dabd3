import { AlarmType, RangeRequest } from "../../proto/index.js";
import { noMember, type RaftNode } from "../../raft/index.js";
import { alarmName, type Application, resultOf } from "../app/index.js";
import { anonymousCaller, type AppliedAlarms, ServerError } from "../base/index.js";
import { statusOfError } from "../rpc/index.js";
import type { HealthStats } from "./health-stats.js";
import { type Page, type PageHandler, textPage } from "./page.js";

/** The components that the health checks read. */
export interface HealthParts {
  readonly application: Pick<Application, "range">;
  readonly node: Pick<RaftNode, "status">;
  readonly applied: AppliedAlarms;
  readonly stats: HealthStats;
}

/** Returns the reason why a check fails; undefined: it succeeds. */
type HealthCheck = () => string | undefined | Promise<string | undefined>;

/**
 * etcd's health pages: `/health` for load balancers, `/livez` (if it fails, restart the process) and `/readyz` (while it fails,
 * send no clients), with a page for each check below the latter two.
 *
 * @see etcd v3.7, Monitoring etcd, "Health check"
 */
export const healthPages = (parts: HealthParts): [path: string, PageHandler][] => {
  const serializable: NamedCheck = ["serializable_read", () => readProblem(parts, true)];
  const readiness: NamedCheck[] = [
    ["data_corruption", () => (isCorrupt(parts) ? "alarm activated: CORRUPT" : undefined)],
    serializable,
    ["linearizable_read", () => readProblem(parts, false)],
    ["non_learner", () => undefined], // all members are voters
  ];
  return [
    ["/health", (query) => countHealth(parts, query)],
    ...checkPages("livez", [serializable], parts.stats),
    ...checkPages("readyz", readiness, parts.stats),
  ];
};

const isCorrupt = ({ applied }: HealthParts): boolean =>
  applied.alarms.all.some(({ alarm }) => alarm === AlarmType.CORRUPT);

const countHealth = async (parts: HealthParts, query: URLSearchParams): Promise<Page> => {
  const page = await health(parts, query);
  parts.stats.countHealth(page.status === 200);
  return page;
};

/**
 * Fails without a leader, or while an alarm is active that the query does not exclude (`exclude=NOSPACE`). Otherwise reads a
 * key, which needs a quorum unless the query has `serializable=true`.
 */
const health = async (parts: HealthParts, query: URLSearchParams): Promise<Page> => {
  const excluded = new Set(query.getAll("exclude"));
  const alarm = parts.applied.alarms.all.map((active) => alarmName(active.alarm)).find((name) => !excluded.has(name));
  if (alarm !== undefined) return unhealthyPage(`ALARM ${alarm}`);
  const isSerializable = query.get("serializable") === "true";
  const hasLeader = parts.node.status().leader !== noMember;
  const problem = !isSerializable && !hasLeader ? "RAFT NO LEADER" : await readProblem(parts, isSerializable);
  if (problem === undefined)
    return { status: 200, contentType: "text/plain; charset=utf-8", body: '{"health":"true","reason":""}' };
  const reason = problem === "RAFT NO LEADER" ? problem : `RANGE ERROR:${problem}`;
  return unhealthyPage(reason);
};

const unhealthyPage = (reason: string): Page => textPage(503, JSON.stringify({ health: "false", reason }));

type NamedCheck = readonly [name: string, check: HealthCheck];

/** Returns the page of all checks, and a page for each. */
const checkPages = (page: string, checks: readonly NamedCheck[], stats: HealthStats): [string, PageHandler][] => {
  const counted = checks.map(([name, check]): NamedCheck => [
    name,
    async () => {
      const problem = await check();
      stats.countCheck(page, name, problem === undefined);
      return problem;
    },
  ]);
  return [
    [`/${page}`, (query) => checkPage(counted, query)],
    ...counted.map((check): [string, PageHandler] => [`/${page}/${check[0]}`, (query) => checkPage([check], query)]),
  ];
};

/**
 * Runs the checks. The body has a line for each if one fails, or with `verbose`; `exclude` leaves a check out and may be
 * repeated.
 */
const checkPage = async (checks: readonly NamedCheck[], query: URLSearchParams): Promise<Page> => {
  const excluded = new Set(query.getAll("exclude"));
  const results = await Promise.all(
    checks.filter(([name]) => !excluded.has(name)).map(async ([name, check]) => ({ name, problem: await check() })),
  );
  const lines = results.map(({ name, problem }) =>
    problem === undefined ? `[+]${name} ok\n` : `[-]${name} failed: ${problem}\n`,
  );
  if (results.some(({ problem }) => problem !== undefined)) return textPage(503, lines.join(""));
  return textPage(200, `${query.has("verbose") ? lines.join("") : ""}ok`);
};

const isNoUser = (error: unknown): boolean => error instanceof ServerError && error.code === "user-name-empty";

const anyKey = Uint8Array.of(0);

const readProblem = async ({ application }: HealthParts, isSerializable: boolean): Promise<string | undefined> => {
  try {
    const request = RangeRequest.create({ key: anyKey, limit: 1n, serializable: isSerializable });
    await resultOf(application.range, anonymousCaller, request);
    return undefined;
  } catch (error) {
    if (isNoUser(error)) return undefined; // the refusal shows that the state was read: authentication is on, and the request has no user
    return statusOfError(error, () => undefined).details;
  }
};
