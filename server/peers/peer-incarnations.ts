import type { MemberId } from "../../raft/index.js";
import { errorText, StaleDirectoryError, formatId, StartError } from "../base/index.js";
import type { DataDirectory } from "../data-dir/index.js";
import type { Incarnation, Refusal } from "./hello.js";

// Raft counts on what a member has promised (paper §5.1, figure 2). One whose directory was emptied, or is an older copy,
// has forgotten some of it and cannot tell; but those it promised it to can. So each member tells the others which incarnation of it
// speaks, and each remembers, durably, as what it incarnations them.

/** What is on disk, in `peers`. */
export interface PeersFile {
  readonly directory: bigint;
  /** As what each other member was incarnations last. */
  readonly incarnations: Map<MemberId, Incarnation>;
  /** Why another member knows better than this directory; it then stays out of use. */
  fencedBecause: string | undefined;
}

export interface PeerIncarnationsOptions {
  readonly directory: Pick<DataDirectory, "readPeers" | "replacePeers">;
  readonly self: MemberId;
  /** Higher than at every start from this directory before. */
  readonly start: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** Who this member is in this incarnation, and as what it has incarnations the others. */
export class PeerIncarnations {
  /** What the others are told of this member. */
  readonly own: Incarnation;
  /** What of `met` is on disk. */
  private readonly saved: Map<MemberId, Incarnation>;
  private lastWrite: Promise<void> = Promise.resolve();

  private constructor(
    private readonly options: PeerIncarnationsOptions,
    private readonly file: PeersFile,
  ) {
    this.own = { directory: file.directory, start: options.start, run: drawId(options.random) };
    this.saved = new Map(file.incarnations);
  }

  /**
   * Reads what earlier lives of this member left.
   *
   * @throws StaleDirectoryError if another member has fencedBecause this directory, StartError if the file is damaged
   */
  static async open(options: PeerIncarnationsOptions): Promise<PeerIncarnations> {
    const text = await options.directory.readPeers();
    const file = text === undefined ? newPeersFile(options.random) : parsePeersFile(text);
    if (file.fencedBecause !== undefined) throw new StaleDirectoryError(file.fencedBecause);
    const peerIncarnations = new PeerIncarnations(options, file);
    if (text === undefined) await peerIncarnations.save(); // before anybody is told of it
    return peerIncarnations;
  }

  /**
   * Whether another member may be heard as `incarnation`. If so it is remembered when the promise resolves: nothing may be built
   * on its promises before.
   *
   * @param appliedStart its last start that the log told of; 0: none
   * @returns why it may not
   */
  async admitPeer(member: MemberId, incarnation: Incarnation, appliedStart: number): Promise<Refusal | undefined> {
    const refusal = this.reasonStale(member, incarnation, appliedStart);
    if (refusal !== undefined || this.saved.get(member)?.start === incarnation.start) return refusal;
    this.file.incarnations.set(member, incarnation);
    try {
      await this.save();
    } catch (error) {
      return { reason: `${this.name} cannot remember that: ${errorText(error)}`, isStale: false };
    }
    this.saved.set(member, incarnation);
    return this.reasonStale(member, incarnation, appliedStart); // meanwhile it may have begun yet another incarnation
  }

  /** Another member knows better: this directory is not used any more, nor after a restart. */
  fence(reason: string): void {
    this.file.fencedBecause = reason;
    this.save().catch(() => undefined); // then the next start is told so, too
  }

  async close(): Promise<void> {
    await this.lastWrite;
  }

  private reasonStale(member: MemberId, incarnation: Incarnation, appliedStart: number): Refusal | undefined {
    const known = this.file.incarnations.get(member);
    const stale = (what: string): Refusal => ({ reason: `${this.name} knows ${what}`, isStale: true });
    if (known !== undefined && known.directory !== incarnation.directory)
      return stale(`start ${known.start} of another directory, this is start ${incarnation.start} of a new one`);
    const lastStart = Math.max(known?.start ?? 0, appliedStart);
    if (lastStart > incarnation.start) return stale(`start ${lastStart}, this is start ${incarnation.start}`);
    if (known?.start === incarnation.start && known.run !== incarnation.run)
      return stale(`another start ${incarnation.start}`);
    return undefined;
  }

  private get name(): string {
    return `member ${formatId(this.options.self)}`;
  }

  /** Resolves when all that is known now is on disk. */
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
  const half = (): bigint => BigInt(Math.floor(random() * 2 ** 32));
  return (half() << 32n) | half();
};

const formatPeersFile = ({ directory, incarnations, fencedBecause }: PeersFile): string => {
  const entries = [...incarnations].map(([member, incarnation]) => [
    formatId(member),
    { directory: formatId(incarnation.directory), start: incarnation.start, run: formatId(incarnation.run) },
  ]);
  const members = Object.fromEntries(entries) as Record<string, object>;
  return JSON.stringify({ directory: formatId(directory), members, fencedBecause }) + "\n";
};

/** @throws StartError if that is not what a member writes */
export const parsePeersFile = (text: string): PeersFile => {
  try {
    const { directory, members, fencedBecause } = fieldsOf(JSON.parse(text));
    const incarnations = Object.entries(fieldsOf(members)).map(([member, value]): [MemberId, Incarnation] => {
      const incarnation = fieldsOf(value);
      if (!Number.isSafeInteger(incarnation["start"])) throw new SyntaxError("not a number");
      const start = incarnation["start"] as number;
      return [
        parseId(member),
        { directory: parseId(incarnation["directory"]), start, run: parseId(incarnation["run"]) },
      ];
    });
    if (fencedBecause !== undefined && typeof fencedBecause !== "string") throw new SyntaxError("not a reason");
    return { directory: parseId(directory), incarnations: new Map(incarnations), fencedBecause };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new StartError("the file peers in the data directory is damaged: put it back as it was at the last stop");
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
