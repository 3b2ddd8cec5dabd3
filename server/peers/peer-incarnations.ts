import type { MemberId } from "../../raft/index.js";
import { errorText, ForeignPastError, formatId, StartError } from "../base/index.js";
import type { DataDirectory } from "../data-dir/index.js";
import type { Life, Refusal } from "./hello.js";

// Raft counts on what a member has promised (paper §5.1, figure 2). One whose directory was emptied, or is an older copy,
// has forgotten some of it and cannot tell; but those it promised it to can. So each member tells the others which life of it
// speaks, and each remembers, durably, as what it met them.

/** What is on disk, in `peers`. */
export interface Notes {
  readonly directory: bigint;
  /** As what each other member was met last. */
  readonly met: Map<MemberId, Life>;
  /** Why another member knows better than this directory; it then stays out of use. */
  disowned: string | undefined;
}

export interface AcquaintancesOptions {
  readonly directory: Pick<DataDirectory, "readPeers" | "replacePeers">;
  readonly self: MemberId;
  /** Higher than at every start from this directory before. */
  readonly start: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** Who this member is in this life, and as what it has met the others. */
export class Acquaintances {
  /** What the others are told of this member. */
  readonly own: Life;
  /** What of `met` is on disk. */
  private readonly saved: Map<MemberId, Life>;
  private lastWrite: Promise<void> = Promise.resolve();

  private constructor(
    private readonly options: AcquaintancesOptions,
    private readonly notes: Notes,
  ) {
    this.own = { directory: notes.directory, start: options.start, run: drawId(options.random) };
    this.saved = new Map(notes.met);
  }

  /**
   * Reads what earlier lives of this member left.
   *
   * @throws ForeignPastError if another member has disowned this directory, StartError if the file is damaged
   */
  static async open(options: AcquaintancesOptions): Promise<Acquaintances> {
    const text = await options.directory.readPeers();
    const notes = text === undefined ? newNotes(options.random) : parseNotes(text);
    if (notes.disowned !== undefined) throw new ForeignPastError(notes.disowned);
    const acquaintances = new Acquaintances(options, notes);
    if (text === undefined) await acquaintances.save(); // before anybody is told of it
    return acquaintances;
  }

  /**
   * Whether another member may be heard as `life`. If so it is remembered when the promise resolves: nothing may be built
   * on its promises before.
   *
   * @param appliedStart its last start that the log told of; 0: none
   * @returns why it may not
   */
  async meet(member: MemberId, life: Life, appliedStart: number): Promise<Refusal | undefined> {
    const refusal = this.reasonToDisown(member, life, appliedStart);
    if (refusal !== undefined || this.saved.get(member)?.start === life.start) return refusal;
    this.notes.met.set(member, life);
    try {
      await this.save();
    } catch (error) {
      return { reason: `${this.name} cannot remember that: ${errorText(error)}`, isDisowned: false };
    }
    this.saved.set(member, life);
    return this.reasonToDisown(member, life, appliedStart); // meanwhile it may have begun yet another life
  }

  /** Another member knows better: this directory is not used any more, nor after a restart. */
  disown(reason: string): void {
    this.notes.disowned = reason;
    this.save().catch(() => undefined); // then the next start is told so, too
  }

  async close(): Promise<void> {
    await this.lastWrite;
  }

  private reasonToDisown(member: MemberId, life: Life, appliedStart: number): Refusal | undefined {
    const known = this.notes.met.get(member);
    const disown = (what: string): Refusal => ({ reason: `${this.name} knows ${what}`, isDisowned: true });
    if (known !== undefined && known.directory !== life.directory)
      return disown(`start ${known.start} of another directory, this is start ${life.start} of a new one`);
    const lastStart = Math.max(known?.start ?? 0, appliedStart);
    if (lastStart > life.start) return disown(`start ${lastStart}, this is start ${life.start}`);
    if (known?.start === life.start && known.run !== life.run) return disown(`another start ${life.start}`);
    return undefined;
  }

  private get name(): string {
    return `member ${formatId(this.options.self)}`;
  }

  /** Resolves when all that is known now is on disk. */
  private save(): Promise<void> {
    const write = this.lastWrite.then(() => this.options.directory.replacePeers(formatNotes(this.notes)));
    this.lastWrite = write.catch(() => undefined);
    return write;
  }
}

const newNotes = (random: () => number): Notes => ({ directory: drawId(random), met: new Map(), disowned: undefined });

const drawId = (random: () => number): bigint => {
  const half = (): bigint => BigInt(Math.floor(random() * 2 ** 32));
  return (half() << 32n) | half();
};

const formatNotes = ({ directory, met, disowned }: Notes): string => {
  const lives = [...met].map(([member, life]) => [
    formatId(member),
    { directory: formatId(life.directory), start: life.start, run: formatId(life.run) },
  ]);
  const members = Object.fromEntries(lives) as Record<string, object>;
  return JSON.stringify({ directory: formatId(directory), members, disowned }) + "\n";
};

/** @throws StartError if that is not what a member writes */
export const parseNotes = (text: string): Notes => {
  try {
    const { directory, members, disowned } = fieldsOf(JSON.parse(text));
    const met = Object.entries(fieldsOf(members)).map(([member, value]): [MemberId, Life] => {
      const life = fieldsOf(value);
      if (!Number.isSafeInteger(life["start"])) throw new SyntaxError("not a number");
      const start = life["start"] as number;
      return [parseId(member), { directory: parseId(life["directory"]), start, run: parseId(life["run"]) }];
    });
    if (disowned !== undefined && typeof disowned !== "string") throw new SyntaxError("not a reason");
    return { directory: parseId(directory), met: new Map(met), disowned };
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
