// File descriptors: how many the process may open, and how many of these are left to connections.

import fs from "node:fs";
import { isError } from "../../platform/index.js";
import { shortageOf } from "../../raft/index.js";
import { maxClientConnections, maxUnknownPeerConnections, StartError } from "../base/index.js";

/**
 * Descriptors that a member may need in addition to its connections: lock 4, log 8 (a segment, the next one, directories that
 * are synced), stores 28 (the one in use and one from a snapshot, each with 4 open files and those of LevelDB's compaction),
 * listeners 8, the member's small files 8, spare ones 8.
 */
const descriptorsOfMember = 64;
/** The descriptors for each peer: a connection in either direction, their replacements, and a snapshot's. */
const descriptorsOfPeer = 8;
/** The divisor of the remaining descriptors that bounds the unknown peer connections: a quarter. */
const shareOfUnknownPeers = 4;
/** The minimum number of descriptors for connections with which a member starts. */
const minConnections = 20;
/** The limit if the system reports none: the lowest usual one. */
const assumedLimit = 10_240;
/** The number of open descriptors if the system does not list them: Node's own. */
const assumedInUse = 32;

/** The number of spare descriptors, closed when LevelDB cannot open a file for a read that cannot wait. */
const spareCount = 4;
/** The number of free descriptors without which no store is written: LevelDB's compaction opens up to four files at a time. */
const freeForStore = 8;

/** Bounds the concurrent connections of all users. */
export class ConnectionSlots {
  private taken = 0;

  constructor(private readonly capacity: () => number) {}

  get max(): number {
    return Math.max(0, this.capacity());
  }

  /** Takes a slot; false: none is left. */
  takeSlot(): boolean {
    if (this.taken >= this.max) return false;
    this.taken += 1;
    return true;
  }

  giveBack(): void {
    this.taken -= 1;
  }
}

/** Opens and closes spare descriptors. */
export interface DescriptorSystem {
  /** Undefined: the process or the system has none left. */
  open(): number | undefined;
  close(descriptor: number): void;
}

const nodeDescriptors: DescriptorSystem = {
  open: () => {
    try {
      return fs.openSync("/", "r");
    } catch (error) {
      if (isError(error) && shortageOf(error) === "descriptors") return undefined;
      throw error;
    }
  },
  close: (descriptor) => fs.closeSync(descriptor),
};

/** The descriptors that one member may use for connections. */
export interface DescriptorShare {
  /** The slots of client connections; shared by all members in this process. */
  readonly clients: ConnectionSlots;
  /** The maximum number of unknown peer connections. */
  readonly unknownPeers: number;
  /** Ends the share: its reserved descriptors are free again. May be called twice. */
  release(): void;
}

/**
 * Divides the descriptors of the process among its members. Each member reserves the number that its log, its store and its
 * peers need; the rest is for client connections.
 *
 * Example: of 160 descriptors 20 are open, and one of three members reserves 64 + 2 * 8 = 80; unknown peer connections get 15
 * of the remaining 60, clients 45.
 */
export class Descriptors {
  private reserved = 0;
  private readonly spare: number[] = [];
  private readonly clients = new ConnectionSlots(() => Math.min(maxClientConnections, this.unreserved));

  constructor(
    /** The maximum number of open descriptors of the process. */
    readonly limit: number,
    /** The number of descriptors that were open before the first member. */
    readonly inUse: number,
    private readonly system: DescriptorSystem = nodeDescriptors,
  ) {}

  /** Reads the limit and the number of open descriptors. Node has raised the soft limit to the hard one at its start. */
  static ofProcess(): Descriptors {
    return new Descriptors(readLimit(), countOpen());
  }

  /** @throws StartError if too few descriptors for client connections would remain */
  share(otherMembers: number): DescriptorShare {
    const own = descriptorsOfMember + otherMembers * descriptorsOfPeer;
    const available = this.unreserved - own;
    if (available < minConnections)
      throw new StartError(
        `file descriptor limit of the process is too low: ${this.limit}; ` +
          `set it to at least ${this.limit + minConnections - available}, better 1024 (ulimit -n)`,
      );
    const unknownPeers = Math.min(maxUnknownPeerConnections, Math.floor(available / shareOfUnknownPeers));
    const needed = own + unknownPeers;
    this.reserved += needed;
    let released = false;
    const release = (): void => {
      if (!released) this.reserved -= needed;
      released = true;
    };
    return { clients: this.clients, unknownPeers, release };
  }

  /** Whether a store can be written now; opens the spare descriptors first. */
  hasFree(): boolean {
    if (!this.open(spareCount - this.spare.length, this.spare)) return false;
    const free: number[] = [];
    try {
      return this.open(freeForStore, free);
    } finally {
      for (const descriptor of free) this.system.close(descriptor);
    }
  }

  /** Closes the spare descriptors; false: they are closed already. */
  releaseSpares(): boolean {
    const lent = this.spare.splice(0);
    for (const descriptor of lent) this.system.close(descriptor);
    return lent.length > 0;
  }

  /** Opens `count` descriptors into `into`; false: there are too few. */
  private open(count: number, into: number[]): boolean {
    for (let n = 0; n < count; n++) {
      const descriptor = this.system.open();
      if (descriptor === undefined) return false;
      into.push(descriptor);
    }
    return true;
  }

  private get unreserved(): number {
    return this.limit - this.inUse - this.reserved;
  }
}

let shared: Descriptors | undefined;

/** Returns the descriptors of this process, counted at the first call. */
export const processDescriptors = (): Descriptors => (shared ??= Descriptors.ofProcess());

const readLimit = (): number => {
  const limit = limitFromProcfs() ?? limitFromReport();
  return limit === undefined || !Number.isFinite(limit) ? assumedLimit : limit;
};

/** Linux. The columns are name, soft limit, hard limit, unit. */
const limitFromProcfs = (): number | undefined => {
  const limits = contentOf("/proc/self/limits");
  const soft = limits === undefined ? undefined : /^Max open files\s+(\d+)/m.exec(limits)?.[1];
  return soft === undefined ? undefined : Number(soft);
};

/** Any system with limits. Takes some 20 ms, as the report contains much else. */
const limitFromReport = (): number | undefined => {
  const report = process.report.getReport() as { readonly userLimits?: { readonly open_files?: { soft?: unknown } } };
  const soft = report.userLimits?.open_files?.soft;
  return typeof soft === "number" ? soft : undefined;
};

const contentOf = (file: string): string | undefined => {
  try {
    return fs.readFileSync(file, "latin1");
  } catch {
    return undefined; // no procfs
  }
};

const countOpen = (): number => {
  try {
    return fs.readdirSync("/dev/fd").length;
  } catch {
    return assumedInUse;
  }
};
