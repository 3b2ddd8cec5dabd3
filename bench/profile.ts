// `npm run bench -- --profile [load]`: a flame graph of the busiest member.

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../test/support/deadline.js";
import { type CpuProfile, flameOf, flamePage } from "./flame-graph.js";
import { loads, LoadedCluster } from "./loads.js";
import { resultFolder, writeResult } from "./page.js";

const measureMs = 5_000;
const members = 3;
const writeTimeoutMs = 20_000;

/** Takes a flame graph of a load. @param name one of `loads` */
export const profile = async (name: string): Promise<void> => {
  const job = loads[name];
  if (job === undefined) throw new RangeError(`no load "${name}": choose of ${Object.keys(loads).join(", ")}`);
  console.log(`Load "${name}" on three members of minietcd for ${measureMs / 1_000} s.\n`);
  const folder = mkdtempSync(join(tmpdir(), "minietcd-profiles-"));
  try {
    await using loaded = await LoadedCluster.start({ kind: "minietcd", label: "minietcd" }, members, folder);
    await loaded.fill(0, job.sizes.keys, job.sizes.valueBytes);
    await loaded.play({ ...job, measureMs });
    const profiles = await eventually(writeTimeoutMs, "the profiles", () => profilesIn(folder));
    const flames = profiles.map(({ path, profile }) => ({ path, flame: flameOf(profile) }));
    const [most] = flames.sort((a, b) => b.flame.micros - a.flame.micros);
    if (most === undefined) return;
    writeResult("flame.html", flamePage(`minietcd, the busiest of three members: ${name}`, most.flame));
    mkdirSync(resultFolder, { recursive: true });
    const kept = join(resultFolder, "flame.cpuprofile");
    renameSync(most.path, kept);
    console.log(`${kept}: the same for the developer tools of Chrome, or speedscope.`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

/** Reads the profiles of all members; undefined while one is missing. */
const profilesIn = (folder: string): { path: string; profile: CpuProfile }[] | undefined => {
  const names = readdirSync(folder);
  if (names.length < members) return undefined;
  return names.map((name) => {
    const path = join(folder, name);
    return { path, profile: JSON.parse(readFileSync(path, "utf8")) as CpuProfile };
  });
};
