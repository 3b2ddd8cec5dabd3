import type { Host, SeededRandom } from "../../../testing/index.js";
import type { FaultTools, Injection } from "./fault-tools.js";

/** Bytes left on a full disk: less than a segment of the log needs, but enough for the small files, as a reserve leaves. */
const smallFilesBytes = 1_024;

/** Faults of the members' disks. */
export const diskFaults = {
  slowLog: ({ host, ms, random }, tools) => {
    host.disk.maxMs = random.pick([5, 50, 0.5 * tools.electionMs]);
    tools.actAfter(ms, () => (host.disk.maxMs = 1));
  },

  slowStore: ({ host, ms, random }, tools) => {
    Object.assign(host.storeDisk, { maxWriteMs: random.pick([20, 500]), maxReadMs: random.pick([1, 10, 100]) });
    tools.actAfter(ms, () => Object.assign(host.storeDisk, host.healthyStore));
  },

  logError: ({ host, ms }, tools) => failNext(host, host.disk, ms, tools),
  storeError: ({ host, ms }, tools) => failNext(host, host.storeDisk, ms, tools),

  /** Leaves no space for a further segment of the log. */
  diskFull: ({ host, ms }, tools) => {
    host.files.capacityBytes = host.files.usedBytes + smallFilesBytes;
    tools.actAfter(ms, () => {
      host.files.capacityBytes = Infinity;
      if (host.lacksSpace) host.start();
    });
  },

  logRot: ({ host, ms, random }, tools) => rot(host, ms, tools, () => rotLog(host, random)),
  storeRot: ({ host, ms }, tools) => rot(host, ms, tools, () => host.storeFiles?.rot()),
} satisfies Record<string, Injection>;

/** Makes the next write fail: the member stops, or serves only reads; after `ms` it is started again. */
const failNext = (host: Host, disk: { failsNext: boolean }, ms: number, tools: FaultTools): void => {
  if (!host.isUp) return;
  host.mayFail = true;
  disk.failsNext = true;
  tools.actAfter(Math.max(ms, 300), () => {
    disk.failsNext = false;
    host.crash("kill");
    host.start();
  });
};

type Repair = () => void | Promise<void>;

/** Changes a bit while the member is down. The member must not start then; after `ms` the file is restored. */
const rot = (
  host: Host,
  ms: number,
  tools: FaultTools,
  spoil: () => Repair | Promise<Repair | undefined> | undefined,
) => {
  if (tools.hosts.some(({ isRotten }) => isRotten)) return; // one member at a time is damaged, so a majority stays healthy
  host.crash("kill");
  host.isRotten = true;
  const { opened } = host;
  const spoilt = Promise.resolve(spoil());
  void spoilt.then((repair) => {
    host.isRotten = repair !== undefined; // false if there is no file yet
    tools.restartAfter(host, ms);
  });
  tools.repairAtEnd(async () => {
    host.isRotten = false;
    const repair = await spoilt;
    if (host.opened === opened) await repair?.(); // otherwise the member has started since, and its files have changed
  });
};

/** Changes one bit of one segment of the log. */
const rotLog = (host: Host, random: SeededRandom): Repair | undefined => {
  const segments = [...host.files.contents()].filter(([name]) => name.endsWith(".wal"));
  if (segments.length === 0) return undefined;
  const [name, bytes] = random.pick(segments);
  const rotten = bytes.slice();
  const at = random.between(0, rotten.length - 1);
  rotten[at] = (rotten[at] ?? 0) ^ (1 << random.between(0, 7));
  host.files.place(name, rotten);
  return () => host.files.place(name, bytes);
};
