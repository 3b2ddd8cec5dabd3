import { readdir, readFile } from "node:fs/promises";
import { performance } from "node:perf_hooks";
import { processDescriptors } from "../resources/index.js";
import { counter, type Family, gauge, info } from "./family.js";

/** The metrics of the process, with the names of all Prometheus libraries. Metrics that the system does not provide are omitted. */
export const processFamilies = async (): Promise<Family[]> => {
  const { user, system } = process.cpuUsage();
  const { rss, heapTotal, heapUsed, external } = process.memoryUsage();
  const { limit } = processDescriptors();
  const [open, virtualBytes] = await Promise.all([openDescriptors(), virtualMemory()]);
  return [
    counter(
      "process_cpu_seconds_total",
      "Total user and system CPU time spent in seconds.",
      (user + system) / 1_000_000,
    ),
    gauge("process_resident_memory_bytes", "Resident memory size in bytes.", rss),
    ...(virtualBytes === undefined
      ? []
      : [gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", virtualBytes)]),
    gauge(
      "process_start_time_seconds",
      "Start time of the process since unix epoch in seconds.",
      performance.timeOrigin / 1_000,
    ),
    gauge("process_max_fds", "Maximum number of open file descriptors.", limit),
    gauge("os_fd_limit", "The file descriptor limit.", limit),
    ...(open === undefined
      ? []
      : [
          gauge("process_open_fds", "Number of open file descriptors.", open),
          gauge("os_fd_used", "The number of used file descriptors.", open),
        ]),
    info("nodejs_version_info", "Node.js version info.", { version: process.version }),
    gauge("nodejs_heap_size_total_bytes", "Process heap size from Node.js in bytes.", heapTotal),
    gauge("nodejs_heap_size_used_bytes", "Process heap size used from Node.js in bytes.", heapUsed),
    gauge("nodejs_external_memory_bytes", "Node.js external memory size in bytes.", external),
  ];
};

const openDescriptors = async (): Promise<number | undefined> => {
  try {
    return (await readdir("/proc/self/fd")).length;
  } catch {
    return undefined; // no procfs
  }
};

/** Returns the size of the address space, in bytes. */
const virtualMemory = async (): Promise<number | undefined> => {
  try {
    const size = /^VmSize:\s+(\d+) kB$/m.exec(await readFile("/proc/self/status", "latin1"))?.[1];
    return size === undefined ? undefined : Number(size) * 1_024;
  } catch {
    return undefined; // no procfs
  }
};
