import type { MemberId } from "../../raft/index.js";

// The first frame of each side. The dialling member says which cluster it belongs to, who it is, which incarnation of it speaks, and
// whom it wants; the other one accepts, or says why not. Nothing else is read before that.

/** The protocol between members; both sides must speak the same. */
export const peerProtocolVersion = 4;

const magic = Buffer.from("minietcd-peer\0", "latin1");

/** What a connection is for: all that members say to each other, or one snapshot. */
const purposes = ["messages", "snapshot"] as const;
export type Purpose = (typeof purposes)[number];

/** One incarnation of a member, as it tells the others. */
export interface Incarnation {
  /** Drawn when the directory was made: an emptied one is another. */
  readonly directory: bigint;
  /** Counts the starts from it: an older copy goes on from where it was. */
  readonly start: number;
  /** Drawn at each start: an older copy may come to a number that was used already. */
  readonly run: bigint;
}

export interface Hello {
  readonly version: number;
  readonly clusterId: bigint;
  readonly from: MemberId;
  readonly to: MemberId;
  readonly incarnation: Incarnation;
  readonly purpose: Purpose;
}

const idsAt = magic.length + 2;
const incarnationAt = idsAt + 3 * 8;
const purposeAt = incarnationAt + 3 * 8;

/** Enough for a hello and its answer: whoever is not known yet may send no more. */
export const maxHelloBytes = 512;

export const encodeHello = ({ clusterId, from, to, incarnation, purpose }: Omit<Hello, "version">): Buffer => {
  const bytes = Buffer.alloc(purposeAt + 1);
  magic.copy(bytes);
  bytes.writeUInt16BE(peerProtocolVersion, magic.length);
  const numbers = [clusterId, from, to, incarnation.directory, BigInt(incarnation.start), incarnation.run];
  numbers.forEach((number, n) => void bytes.writeBigUInt64BE(number, idsAt + n * 8));
  bytes[purposeAt] = purposes.indexOf(purpose);
  return bytes;
};

/** Undefined: not a hello of a minietcd member. Of another version, only that and the ids mean anything. */
export const decodeHello = (bytes: Buffer): Hello | undefined => {
  if (bytes.length < incarnationAt || !bytes.subarray(0, magic.length).equals(magic)) return undefined;
  const version = bytes.readUInt16BE(magic.length);
  const number = (n: number): bigint => bytes.readBigUInt64BE(idsAt + n * 8);
  const ids = { version, clusterId: number(0), from: number(1), to: number(2) };
  if (version !== peerProtocolVersion)
    return { ...ids, incarnation: { directory: 0n, start: 0, run: 0n }, purpose: "messages" };
  const purpose = purposes[bytes[purposeAt] ?? -1];
  return (
    purpose && { ...ids, incarnation: { directory: number(3), start: Number(number(4)), run: number(5) }, purpose }
  );
};

/** Why a member is turned away. */
export interface Refusal {
  readonly reason: string;
  /** It is not what it was: it has forgotten what it promised, and must stop. */
  readonly isStale: boolean;
}

/** Begins the answer to a member that must stop. */
const staleMark = "\x01";

/** The answer: empty means welcome, anything else is the reason why not. */
export const encodeAnswer = (refusal: Refusal | undefined): Buffer =>
  Buffer.from(refusal === undefined ? "" : (refusal.isStale ? staleMark : "") + refusal.reason, "utf8");

/** Undefined: welcome. */
export const decodeAnswer = (bytes: Buffer): Refusal | undefined => {
  if (bytes.length === 0) return undefined;
  const text = bytes.toString("utf8");
  const isStale = text.startsWith(staleMark);
  return { reason: isStale ? text.slice(staleMark.length) : text, isStale };
};

/**
 * How often the accepting side says that it is still there: the answer that means welcome, again. The dialling side only
 * sends, and TCP alone takes minutes to notice, and to heal, a way that went silent.
 */
export const keepaliveMs = 1_000;
