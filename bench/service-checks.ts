// Checks that watchers got each event once and that all leases exist. Each check prints its findings and returns the errors.

import type { Client } from "../client/index.js";
import { leasePrefix } from "./lease-load.js";
import type { PutResult } from "./put-load.js";
import { format } from "./report.js";
import type { WatchResult } from "./watch-load.js";

/** Checks the events of all watchers. @param last the last revision @returns the errors */
export const checkWatchers = (put: PutResult, results: readonly WatchResult[], last: number): string[] => {
  const sum = (countOf: (result: WatchResult) => number): number =>
    results.reduce((total, result) => total + countOf(result), 0);
  const slowest = Math.min(...results.map((result) => result.slowest));
  const found: readonly (readonly [string, number])[] = [
    ["missed", sum(({ missed }) => missed) + Math.max(last - slowest, 0)],
    ["repeated", sum(({ repeated }) => repeated)],
    ["contradictory", sum(({ contradictions }) => contradictions)],
    ["acknowledged and not received", sum(({ puts }) => countLacking(put.revisions, puts))],
    ["deletions that nobody made", sum(({ deletions }) => deletions)],
  ];
  console.log(
    `Watchers: ${sum(({ events }) => events)} events up to revision ${last}, ${sum(({ resumed }) => resumed)} streams resumed.`,
  );
  console.log(`  ${found.map(([what, count]) => `${what}: ${count}`).join(", ")}`);
  return found.filter(([, count]) => count > 0).map(([what, count]) => `${what}: ${count}`);
};

/** Counts the acknowledged puts whose event the watchers of a process did not get at the revision of the put. */
const countLacking = (revisions: Uint32Array, received: Uint32Array): number => {
  let lacking = 0;
  for (const [put, revision] of revisions.entries()) if (revision !== 0 && received[revision] !== put) lacking++;
  return lacking;
};

/** The leases, from the view of the process that keeps them alive. */
export interface KeptLeases {
  readonly ids: readonly bigint[];
  readonly lost: number;
  readonly leastRemainingMs: number;
}

/** Checks the leases and their keys. @returns the errors */
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
