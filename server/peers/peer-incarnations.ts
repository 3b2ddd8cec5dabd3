import type { MemberId } from "../../raft/index.js";
import { describeStale, errorText, formatId, StaleDirectoryError, StartError } from "../base/index.js";
import type { DataDirectory } from "../data-dir/index.js";
import type { Incarnation, HelloRefusal } from "./hello.js";
import type { PeerAdmission } from "./peer-admission.js";

// Raft relies on each member's durable state (paper §5.1, figure 2). A member whose data directory was emptied, or is an older
// copy, has lost votes and acknowledgements and cannot detect that; its peers can. Each member therefore announces its
// incarnation, and each peer stores it durably and refuses an older one: a fence.

/** The content of the file `peers`. */
export interface PeersFile {
  /** The id of this data directory, random. */
  readonly directory: bigint;
  /** The last known incarnation of each peer. */
  readonly incarnations: Map<MemberId, Incarnation>;
  /** The reason why a peer refused this directory as stale; undefined if none did. A fenced directory is never used again. */
  fencedBecause: string | undefined;
}

/** The options of `PeerIncarnations.open`. */
export interface PeerIncarnationsOptions {
  readonly directory: Pick<DataDirectory, "readPeers" | "replacePeers">;
  readonly self: MemberId;
  /** The number of this incarnation: greater than every earlier one of this directory. */
  readonly start: number;
  /** Returns a uniform number in [0, 1). */
  readonly random: () => number;
}

/** The incarnations in the applied log; `Applier` implements it. */
export interface AppliedStarts {
  /** Returns the number of a member's newest incarnation; 0: none. */
  incarnationOf(member: MemberId): number;
}

/** The incarnation of this member, and the last known ones of its peers. */
export class PeerIncarnations implements PeerAdmission {
  readonly own: Incarnation;
  /** The incarnations that are on disk. */
  private readonly saved: Map<MemberId, Incarnation>;
  private lastWrite: Promise<void> = Promise.resolve();
  private applied: AppliedStarts | undefined;

  private constructor(
    private readonly options: PeerIncarnationsOptions,
    private readonly file: PeersFile,
  ) {
    this.own = { directory: file.directory, start: options.start, run: drawId(options.random) };
    this.saved = new Map(file.incarnations);
  }

  /**
   * Reads the file `peers`, creating it in a new directory.
   *
   * @throws StaleDirectoryError if the directory was fenced, StartError if the file is damaged
   */
  static async open(options: PeerIncarnationsOptions): Promise<PeerIncarnations> {
    const text = await options.directory.readPeers();
    const file = text === undefined ? newPeersFile(options.random) : parsePeersFile(text);
    if (file.fencedBecause !== undefined) throw new StaleDirectoryError(file.fencedBecause);
    const peerIncarnations = new PeerIncarnations(options, file);
    if (text === undefined) await peerIncarnations.save(); // durable before it is announced
    return peerIncarnations;
  }

  /** Makes `admitPeer` refuse, too, incarnations that are older than those in the applied log. */
  watchLog(applied: AppliedStarts): void {
    this.applied = applied;
  }

  async admitPeer(member: MemberId, incarnation: Incarnation): Promise<HelloRefusal | undefined> {
    const refusal = this.reasonStale(member, incarnation);
    if (refusal !== undefined || this.saved.get(member)?.start === incarnation.start) return refusal;
    this.file.incarnations.set(member, incarnation);
    try {
      await this.save();
    } catch (error) {
      return { reason: `${this.name} cannot record the incarnation: ${errorText(error)}`, isStale: false };
    }
    this.saved.set(member, incarnation);
    return this.reasonStale(member, incarnation); // a newer incarnation may have been admitted meanwhile
  }

  /** Fences this directory: a peer refused it as stale, so it is not used again, also after a restart. */
  fence(reason: string): void {
    this.file.fencedBecause = reason;
    this.save().catch(() => undefined); // if the write fails, a peer refuses the next start, too
  }

  /** Waits for the last write. */
  async close(): Promise<void> {
    await this.lastWrite;
  }

  private reasonStale(member: MemberId, incarnation: Incarnation): HelloRefusal | undefined {
    const known = this.file.incarnations.get(member);
    const staleRefusal = (reason: string): HelloRefusal => ({ reason, isStale: true });
    if (known !== undefined && known.directory !== incarnation.directory)
      return staleRefusal(`${this.name} has seen start ${known.start} of another data directory`);
    const lastStart = Math.max(known?.start ?? 0, this.applied?.incarnationOf(member) ?? 0);
    if (lastStart > incarnation.start) return staleRefusal(describeStale(incarnation.start, lastStart, this.name));
    if (known?.start === incarnation.start && known.run !== incarnation.run)
      return staleRefusal(`${this.name} has seen another start ${incarnation.start}`);
    return undefined;
  }

  private get name(): string {
    return `member ${formatId(this.options.self)}`;
  }

  /** Writes the file; resolves when its current content is durable. */
  private save(): Promise<void> {
    const write = this.lastWrite.then(() => this.options.directory.replacePeers(formatPeersFile(this.file)));
    this.lastWrite = write.catch(() => undefined);
    return write;
  }
}

const newPeersFile = (random: () => number): PeersFile => ({
  directory: drawId(random),
  incarnations: new Map(),
  fencedBecause: undefined,
});

const drawId = (random: () => number): bigint => {
  const drawHalf = (): bigint => BigInt(Math.floor(random() * 2 ** 32));
  return (drawHalf() << 32n) | drawHalf();
};

/** Formats the file `peers`. */
export const formatPeersFile = ({ directory, incarnations, fencedBecause }: PeersFile): string => {
  const entries = [...incarnations].map(([member, incarnation]) => [
    formatId(member),
    { directory: formatId(incarnation.directory), start: incarnation.start, run: formatId(incarnation.run) },
  ]);
  const members = Object.fromEntries(entries) as Record<string, object>;
  return JSON.stringify({ directory: formatId(directory), members, fencedBecause }) + "\n";
};

/** Parses the file `peers`. @throws StartError if it is damaged */
export const parsePeersFile = (text: string): PeersFile => {
  try {
    const { directory, members, fencedBecause } = fieldsOf(JSON.parse(text));
    const incarnations = Object.entries(fieldsOf(members)).map(([member, value]): [MemberId, Incarnation] => {
      const incarnation = fieldsOf(value);
      if (!Number.isSafeInteger(incarnation["start"])) throw new SyntaxError("not a number");
      const start = incarnation["start"] as number;
      return [
        parseId(member) as MemberId,
        { directory: parseId(incarnation["directory"]), start, run: parseId(incarnation["run"]) },
      ];
    });
    if (fencedBecause !== undefined && typeof fencedBecause !== "string") throw new SyntaxError("not a reason");
    return { directory: parseId(directory), incarnations: new Map(incarnations), fencedBecause };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new StartError("the file peers in the data directory is damaged: restore it as it was at the last stop");
  }
};

const fieldsOf = (value: unknown): Record<string, unknown> => {
  if (typeof value !== "object" || value === null) throw new SyntaxError("not an object");
  return value as Record<string, unknown>;
};

const parseId = (value: unknown): bigint => {
  if (typeof value !== "string" || !/^[0-9a-f]{1,16}$/.test(value)) throw new SyntaxError("not an id");
  return BigInt(`0x${value}`);
};
