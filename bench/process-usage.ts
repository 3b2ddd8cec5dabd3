import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/** The unit of CPU times in /proc, in milliseconds: USER_HZ is 100, independent of the kernel's tick. */
const msPerTick = 10;

/** Returns the CPU time of a process so far, user and system, in milliseconds; undefined without /proc. */
export const cpuMs = (pid: number): number | undefined => {
  const stat = readIfThere(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The second field is the program's name in parentheses, with any characters: the other fields are counted after it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * msPerTick;
};

/** Returns the sum of the CPU times of some processes. */
export const totalCpuMs = (pids: readonly number[]): number | undefined => {
  let total = 0;
  for (const pid of pids) {
    const ms = cpuMs(pid);
    if (ms === undefined) return undefined;
    total += ms;
  }
  return total;
};

const idleIntervalMs = 500;
/** The CPU time in such an interval up to which servers without requests count as idle: heartbeats and timers take some. */
const idleCpuMs = 25;
const idleTimeoutMs = 30_000;

/**
 * Waits until processes use hardly any CPU time: a member of minietcd compiles its code when it has started (`server/warm-up`). Returns at
 * once without /proc.
 */
export const whenIdle = async (pids: readonly number[]): Promise<void> => {
  const deadline = performance.now() + idleTimeoutMs;
  for (let before = totalCpuMs(pids); before !== undefined;) {
    await delay(idleIntervalMs);
    const after = totalCpuMs(pids);
    if (after === undefined || after - before <= idleCpuMs * pids.length) return;
    if (performance.now() > deadline) throw new Error(`the servers do not become idle in ${idleTimeoutMs} ms`);
    before = after;
  }
};

/** Returns the resident memory of a process in MB; undefined without /proc. */
export const residentMb = (pid: number): number | undefined => {
  return readMb(readIfThere(`/proc/${pid}/status`) ?? "", "VmRSS");
};

/** The resident memory of a process, in MB. */
export interface Resident {
  /** The memory of the process itself; undefined without /proc. */
  readonly own: number | undefined;
  /** The pages of files that LevelDB has mapped, which the system can reclaim. */
  readonly mapped: number | undefined;
}

/** Reads both parts of the resident memory. */
export const readResident = (pid: number): Resident => {
  const status = readIfThere(`/proc/${pid}/status`) ?? "";
  return { own: readMb(status, "RssAnon"), mapped: readMb(status, "RssFile") };
};

/** Reads a line of /proc/PID/status, such as `VmRSS:    1024 kB`, in MB. */
const readMb = (status: string, name: string): number | undefined => {
  const kib = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1];
  return kib === undefined ? undefined : (Number(kib) * 1024) / 1e6;
};

const readIfThere = (path: string): string | undefined => {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
};
