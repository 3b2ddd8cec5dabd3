import { readFileSync } from "node:fs";

/** Linux counts a process's time in units of 10 ms (USER_HZ), whatever the kernel's own tick. */
const msPerTick = 10;

/** CPU time of a process so far, user and system, in milliseconds; undefined where there is no /proc. */
export const cpuMs = (pid: number): number | undefined => {
  const stat = readIfThere(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  // The second field is the program's name in parentheses, and may hold anything: count from behind it.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * msPerTick;
};

/** CPU time of some processes together. */
export const totalCpuMs = (pids: readonly number[]): number | undefined => {
  let total = 0;
  for (const pid of pids) {
    const ms = cpuMs(pid);
    if (ms === undefined) return undefined;
    total += ms;
  }
  return total;
};

/** Resident memory of a process in MB; undefined where there is no /proc. */
export const residentMb = (pid: number): number | undefined => {
  return readMb(readIfThere(`/proc/${pid}/status`) ?? "", "VmRSS");
};

export interface Resident {
  /** Memory of the process itself; undefined where there is no /proc. */
  readonly own: number | undefined;
  /** Pages of files that LevelDB has mapped: the system takes them back when it needs them. */
  readonly mapped: number | undefined;
}

/** Both parts of `residentMb`. */
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
