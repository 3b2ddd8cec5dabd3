// File descriptors: how many the process may open, and how many of these are left to connections.

import fs from "node:fs";
import { isError } from "../../platform/index.js";
import { shortageOf } from "../../raft/index.js";
import { maxClientConnections, maxUnknownPeerConnections, StartError } from "../base/index.js";

/**
 * Descriptors that a member may need beside its connections: lock 4, log 8 (a segment, the next one, directories that are
 * synced), stores 28 (the one in use and one that a snapshot makes, each with 4 files that stay open and those of LevelDB's
 * compaction), listeners 8, the member's small files 8, those kept for need 8.
 */
const descriptorsOfMember = 64;
/** The descriptors for each other member: a connection in either direction, their replacements, and a snapshot's. */
const descriptorsOfPeer = 8;
/** Peer connections that have not said hello get a quarter of the rest at most. */
const shareOfUnknownPeers = 4;
/** The fewest descriptors for connections with which a member starts. */
const minConnections = 20;
/** The limit where the system names none: the lowest usual one. */
const assumedLimit = 10_240;
/** The open descriptors where the system does not list them: Node's own. */
const assumedInUse = 32;

/** Kept open, to be given up when LevelDB cannot open a file for a read that cannot wait. */
const spareCount = 4;
/** The free descriptors without which no store is written: LevelDB's compaction, which follows, opens up to four files at a time. */
const freeForStore = 8;

/** Bounds the connections that are open at the same time, over all their users. */
export class ConnectionSlots {
  private taken = 0;

  constructor(private readonly capacity: () => number) {}

  get max(): number {
    return Math.max(0, this.capacity());
  }

  /** False: there is none left. */
  take(): boolean {
    if (this.taken >= this.max) return false;
    this.taken += 1;
    return true;
  }

  giveBack(): void {
    this.taken -= 1;
  }
}

/** Opens and closes descriptors that stand for nothing. */
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

/** The part of the descriptors that one member may use for connections. */
export interface DescriptorShare {
  /** The descriptors of client connections; shared by all members in this process. */
  readonly clients: ConnectionSlots;
  /** Peer connections that have not said hello. */
  readonly unknownPeers: number;
  /** Ends the share: others may use what was reserved. May be called twice. */
  release(): void;
}

/**
 * Divides the descriptors of the process among the members in it. Each member reserves what its log, its store and the
 * other members need; client connections get what is left, however many clients connect.
 *
 * With 160 descriptors, 20 of them open, one of three members reserves 64 + 2 * 8 = 80. Of the 60 that remain, peer
 * connections without a hello get 15, clients 45.
 */
export class Descriptors {
  private reserved = 0;
  private readonly spare: number[] = [];
  private readonly clients = new ConnectionSlots(() => Math.min(maxClientConnections, this.unreserved));

  constructor(
    /** The number of descriptors that the process may have open. */
    readonly limit: number,
    /** The number of descriptors that were open before there was a member. */
    readonly inUse: number,
    private readonly system: DescriptorSystem = nodeDescriptors,
  ) {}

  /** Reads the limit and what is open now. Node has raised the soft limit to the hard one by then. */
  static ofProcess(): Descriptors {
    return new Descriptors(readLimit(), countOpen());
  }

  /** @throws StartError if so little would remain that clients could not connect */
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

  /** Whether a store can be written now; keeps some for need first. */
  areFree(): boolean {
    if (!this.open(spareCount - this.spare.length, this.spare)) return false;
    const free: number[] = [];
    try {
      return this.open(freeForStore, free);
    } finally {
      for (const descriptor of free) this.system.close(descriptor);
    }
  }

  /** Closes what was kept for need. False: it has been given up already. */
  lend(): boolean {
    const lent = this.spare.splice(0);
    for (const descriptor of lent) this.system.close(descriptor);
    return lent.length > 0;
  }

  /** Opens `count` into `into`. False: there are too few. */
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

/** Returns the descriptors of this process, as counted when the first member asks. */
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

/** Any system with limits. Takes some 20 ms, as the report holds everything else, too. */
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
