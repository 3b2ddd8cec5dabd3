import type { MemberId } from "../../raft/index.js";

// The first frame of each side. The dialling member says which cluster it belongs to, who it is and whom it wants;
// the other one accepts, or says why not. Nothing else is read before that.

/** The protocol between members; both sides must speak the same. */
export const peerProtocolVersion = 3;

const magic = Buffer.from("minietcd-peer\0", "latin1");

/** What a connection is for: all that members say to each other, or one snapshot. */
const purposes = ["messages", "snapshot"] as const;
export type Purpose = (typeof purposes)[number];

export interface Hello {
  readonly version: number;
  readonly clusterId: bigint;
  readonly from: MemberId;
  readonly to: MemberId;
  readonly purpose: Purpose;
}

const idsAt = magic.length + 2;
const purposeAt = idsAt + 24;

/** Enough for a hello and its answer: whoever is not known yet may send no more. */
export const maxHelloBytes = 512;

export const encodeHello = (hello: Omit<Hello, "version">): Buffer => {
  const bytes = Buffer.alloc(purposeAt + 1);
  magic.copy(bytes);
  bytes.writeUInt16BE(peerProtocolVersion, magic.length);
  [hello.clusterId, hello.from, hello.to].forEach((id, n) => void bytes.writeBigUInt64BE(id, idsAt + n * 8));
  bytes[purposeAt] = purposes.indexOf(hello.purpose);
  return bytes;
};

/** Undefined: not a hello of a minietcd member. Of another version, only that and the ids mean anything. */
export const decodeHello = (bytes: Buffer): Hello | undefined => {
  if (bytes.length < purposeAt || !bytes.subarray(0, magic.length).equals(magic)) return undefined;
  const version = bytes.readUInt16BE(magic.length);
  const id = (n: number): bigint => bytes.readBigUInt64BE(idsAt + n * 8);
  const ofAnother = version === peerProtocolVersion ? undefined : "messages";
  const purpose = purposes[bytes[purposeAt] ?? -1] ?? ofAnother;
  return purpose && { version, clusterId: id(0), from: id(1), to: id(2), purpose };
};

/** The answer: empty means welcome, anything else is the reason why not. */
export const encodeAnswer = (refusal: string): Buffer => Buffer.from(refusal, "utf8");
export const decodeAnswer = (bytes: Buffer): string => bytes.toString("utf8");

/**
 * How often the accepting side says that it is still there: the answer that means welcome, again. The dialling side only
 * sends, and TCP alone takes minutes to notice, and to heal, a way that went silent.
 */
export const signOfLifeMs = 1_000;
