import type { MemberId } from "../../raft/index.js";
import type { ClusterId } from "../base/index.js";

// The first frame of each side. The dialling member sends a hello: cluster, its own id and incarnation, the id of the receiver.
// The receiver accepts, or sends a refusal. Further frames are read after that.

/** The version of the peer protocol; both sides must have the same. */
export const peerProtocolVersion = 6;

const magic = Buffer.from("minietcd-peer\0", "latin1");

const purposes = ["messages", "snapshot"] as const;
/** The purpose of a connection: all messages to a peer, or one snapshot. */
export type Purpose = (typeof purposes)[number];

/** The identity of an incarnation, as peers compare it. */
export interface Incarnation {
  /** The random id of the data directory: an emptied one gets another. */
  readonly directory: bigint;
  /** The number of the incarnation, which counts the starts of the directory: an older copy has a smaller one. */
  readonly start: number;
  /** The random id of the run: an older copy of the directory may reach a start number that was used before. */
  readonly run: bigint;
}

/** The first frame of a dialling member. */
export interface Hello {
  readonly version: number;
  readonly clusterId: ClusterId;
  readonly from: MemberId;
  readonly to: MemberId;
  readonly incarnation: Incarnation;
  readonly purpose: Purpose;
}

const idsAt = magic.length + 2;
const incarnationAt = idsAt + 3 * 8;
const purposeAt = incarnationAt + 3 * 8;

/** The largest hello or answer; an unknown connection may not send more. */
export const maxHelloBytes = 512;

/** Encodes a hello of this version. */
export const encodeHello = ({ clusterId, from, to, incarnation, purpose }: Omit<Hello, "version">): Buffer => {
  const bytes = Buffer.alloc(purposeAt + 1);
  magic.copy(bytes);
  bytes.writeUInt16BE(peerProtocolVersion, magic.length);
  const numbers = [clusterId, from, to, incarnation.directory, BigInt(incarnation.start), incarnation.run];
  numbers.forEach((number, n) => void bytes.writeBigUInt64BE(number, idsAt + n * 8));
  bytes[purposeAt] = purposes.indexOf(purpose);
  return bytes;
};

/** Decodes a hello; undefined if it is malformed. If its version differs, only the version and the ids are valid. */
export const decodeHello = (bytes: Buffer): Hello | undefined => {
  if (bytes.length < incarnationAt || !bytes.subarray(0, magic.length).equals(magic)) return undefined;
  const version = bytes.readUInt16BE(magic.length);
  const number = (n: number): bigint => bytes.readBigUInt64BE(idsAt + n * 8);
  const ids = { version, clusterId: number(0) as ClusterId, from: number(1) as MemberId, to: number(2) as MemberId };
  if (version !== peerProtocolVersion)
    return { ...ids, incarnation: { directory: 0n, start: 0, run: 0n }, purpose: "messages" };
  const purpose = purposes[bytes[purposeAt] ?? -1];
  return (
    purpose && { ...ids, incarnation: { directory: number(3), start: Number(number(4)), run: number(5) }, purpose }
  );
};

/** A refused hello. */
export interface HelloRefusal {
  /** The reason, for the log of the dialling member. */
  readonly reason: string;
  /** True if the data directory of the dialling member is stale: it must stop. */
  readonly isStale: boolean;
}

/** The first byte of a refusal of a stale member. */
const staleMark = "\x01";

/** Encodes the answer to a hello: empty if accepted, else the reason. */
export const encodeHelloAnswer = (refusal: HelloRefusal | undefined): Buffer =>
  Buffer.from(refusal === undefined ? "" : (refusal.isStale ? staleMark : "") + refusal.reason, "utf8");

/** Decodes the answer to a hello; undefined if accepted. */
export const decodeHelloAnswer = (bytes: Buffer): HelloRefusal | undefined => {
  if (bytes.length === 0) return undefined;
  const text = bytes.toString("utf8");
  const isStale = text.startsWith(staleMark);
  return { reason: isStale ? text.slice(staleMark.length) : text, isStale };
};

/**
 * The interval of keepalives from the accepting side, in milliseconds: each is another empty answer. TCP alone takes minutes to
 * detect a silent connection.
 */
export const keepaliveMs = 1_000;
