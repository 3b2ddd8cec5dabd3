// Whether watchers were told everything once and leases are all there: prints what was found, returns what is wrong.

import type { Client } from "../client/index.js";
import { leasePrefix } from "./lease-load.js";
import type { PutResult } from "./put-load.js";
import { format } from "./report.js";
import type { WatchResult } from "./watch-load.js";

export const checkWatchers = (put: PutResult, results: readonly WatchResult[], last: number): string[] => {
  const sum = (countOf: (result: WatchResult) => number): number =>
    results.reduce((total, result) => total + countOf(result), 0);
  const slowest = Math.min(...results.map((result) => result.slowest));
  const found: readonly (readonly [string, number])[] = [
    ["missed", sum(({ missed }) => missed) + Math.max(last - slowest, 0)],
    ["repeated", sum(({ repeated }) => repeated)],
    ["contradictory", sum(({ contradictions }) => contradictions)],
    ["acknowledged and not told", sum(({ puts }) => countLacking(put.revisions, puts))],
    ["deletions that nobody made", sum(({ deletions }) => deletions)],
  ];
  console.log(
    `Watchers: ${sum(({ events }) => events)} events up to revision ${last}, ${sum(({ resumed }) => resumed)} streams resumed.`,
  );
  console.log(`  ${found.map(([what, count]) => `${what}: ${count}`).join(", ")}`);
  return found.filter(([, count]) => count > 0).map(([what, count]) => `${what}: ${count}`);
};

/** Puts that were acknowledged, and that the watchers of a process were not told of at that revision. */
const countLacking = (revisions: Uint32Array, told: Uint32Array): number => {
  let lacking = 0;
  for (const [put, revision] of revisions.entries()) if (revision !== 0 && told[revision] !== put) lacking++;
  return lacking;
};

/** Leases as the process that keeps them alive saw them. */
export interface KeptLeases {
  readonly ids: readonly bigint[];
  readonly lost: number;
  readonly leastRemainingMs: number;
}

export const checkLeases = async (client: Client, { ids, lost, leastRemainingMs }: KeptLeases): Promise<string[]> => {
  const there = new Set((await client.lease.list()).ids);
  const gone = ids.filter((id) => !there.has(id)).length;
  const { count: keys } = await client.kv.get(leasePrefix, { prefix: true, countOnly: true });
  console.log(
    `Leases: ${ids.length} kept alive, never less than ${format(leastRemainingMs / 1_000, 1)} s from their end`,
  );
  console.log(`  reported lost: ${lost}, gone: ${gone}, keys gone: ${ids.length - keys}`);
  const worst = Math.max(lost, gone, ids.length - keys);
  return worst > 0 ? [`leases lost: ${worst}`] : [];
};
