// The proposals in the log: encoded by the member that received the client's request, decoded by all members.

import { Proposal } from "../generated/minietcd/command.js";
import type { PutRequest } from "../generated/etcdserverpb/kv.js";
import { BackWriter, numberSize, writeNumber } from "./back-writer.js";
import { Fields } from "./fields.js";
import { readCompaction, readDeleteRange, readPut, readTxn } from "./kv-requests.js";
import { takeBytes } from "./shared-memory.js";
import { requestWriter as writer, writeCompaction, writeDeleteRange, writePut, writeTxn } from "./request-writer.js";

/** Writes the fields that many proposals have in common. */
const originWriter = new BackWriter();

type Command = NonNullable<Proposal["command"]>;

/** The numbers of a proposal. */
export interface ProposalNumbers {
  readonly member: bigint;
  readonly incarnation: number;
  readonly sequence: number;
  readonly floor: number;
}

/** The user of the request, and the auth revision of its authentication. */
export interface ProposalUser {
  /** The name; empty: a client without a user. */
  readonly name: string;
  readonly revision: bigint;
}

/** A proposal with its command. The command is undefined if a newer version of minietcd wrote it. */
export interface DecodedProposal extends ProposalNumbers {
  /** Undefined: authentication was off, or the member itself made the proposal. */
  readonly user: ProposalUser | undefined;
  readonly command: Command | undefined;
}

/** Encodes a proposal. The numbers come first. */
export const encodeProposal = (proposal: DecodedProposal): Uint8Array => {
  const { command, user } = proposal;
  const isPlain = command?.$case === "put" && user === undefined && isPlainPut(command.value);
  return isPlain ? encodePlainPut(proposal, command.value) : encodeAny(proposal);
};

/** Whether a put only has a short key and a short value. Most puts do, and have a faster encoder. */
const isPlainPut = ({ key, value, lease, prevKv, ignoreValue, ignoreLease }: PutRequest): boolean =>
  key.length > 0 &&
  key.length + value.length <= maxPlainBytes &&
  lease === 0n &&
  !prevKv &&
  !ignoreValue &&
  !ignoreLease;

/** The maximum total length of key and value for which the put's length, including both tags and lengths, fits one byte. */
const maxPlainBytes = 0x7f - 4;

/** Encodes a plain put from its first field to its last, because all lengths are known. */
const encodePlainPut = (proposal: DecodedProposal, { key, value }: PutRequest): Uint8Array => {
  const { sequence, floor } = proposal;
  const { fields } = originOf(proposal);
  const putBytes = 2 + key.length + (value.length === 0 ? 0 : 2 + value.length);
  const bytes = takeBytes(fields.length + fieldSize(sequence) + fieldSize(floor) + 2 + putBytes);
  let at = copyTo(bytes, 0, fields);
  at = counterField(bytes, at, 24, sequence);
  at = counterField(bytes, at, 32, floor);
  bytes[at++] = 82;
  bytes[at++] = putBytes;
  bytes[at++] = 10;
  bytes[at++] = key.length;
  at = copyTo(bytes, at, key);
  if (value.length === 0) return bytes;
  bytes[at++] = 18;
  bytes[at++] = value.length;
  copyTo(bytes, at, value);
  return bytes;
};

const fieldSize = (value: number): number => (value === 0 ? 0 : 1 + numberSize(value));

const counterField = (target: Uint8Array, at: number, tag: number, value: number): number => {
  if (value === 0) return at;
  target[at] = tag;
  return writeNumber(target, at + 1, value);
};

/** Copies bytes. @returns the offset after the copy */
const copyTo = (target: Uint8Array, at: number, source: Uint8Array): number => {
  const { length } = source;
  if (length > maxLoopedBytes) target.set(source, at);
  else for (let n = 0; n < length; n++) target[at + n] = source[n] ?? 0;
  return at + length;
};

/** Length up to which a loop is faster than a copy by V8. */
const maxLoopedBytes = 32;

const encodeAny = (proposal: DecodedProposal): Uint8Array => {
  const { command, user } = proposal;
  writer.begin();
  if (command !== undefined) writeCommand(command);
  if (user !== undefined) {
    writer.counterField(48, Number(user.revision));
    writer.bytesField(42, Buffer.from(user.name));
  }
  writer.counterField(32, proposal.floor);
  writer.counterField(24, proposal.sequence);
  writer.writeEncoded(originOf(proposal).fields);
  return writer.take();
};

/** The encoded member and incarnation of the previous proposal, which are nearly always the same. */
const origin = { member: 0n, incarnation: 0, fields: new Uint8Array(0) };

const originOf = ({ member, incarnation }: ProposalNumbers): typeof origin => {
  if (member !== origin.member || incarnation !== origin.incarnation) {
    originWriter.begin();
    originWriter.counterField(16, incarnation);
    originWriter.uint64Field(8, member);
    Object.assign(origin, { member, incarnation, fields: originWriter.take() });
  }
  return origin;
};

/** Decodes a proposal. @throws Error if the bytes are not a proposal */
export const decodeProposal = (bytes: Uint8Array): DecodedProposal => {
  const fields = new Fields(bytes);
  const proposal = readProposal(fields);
  return fields.isOdd ? decodeOdd(bytes) : proposal;
};

const decodeOdd = (bytes: Uint8Array): DecodedProposal => {
  const { member, incarnation, sequence, floor, command, user, authRevision } = Proposal.decode(bytes);
  const numbers = { member, incarnation: Number(incarnation), sequence: Number(sequence), floor: Number(floor) };
  return { ...numbers, user: authRevision === 0n ? undefined : { name: user, revision: authRevision }, command };
};

const readProposal = (fields: Fields): DecodedProposal => {
  let member = 0n;
  let [incarnation, sequence, floor] = [0, 0, 0];
  let name: Uint8Array | undefined;
  let revision = 0;
  let command: Command | undefined;
  for (let tag = fields.tag(); tag !== 0; tag = fields.tag()) {
    if (tag === 8) member = fields.uint64();
    else if (tag === 16) incarnation = fields.counter();
    else if (tag === 24) sequence = fields.counter();
    else if (tag === 32) floor = fields.counter();
    else if (tag === 42) name = fields.bytes();
    else if (tag === 48) revision = fields.counter();
    else command = readCommand(fields, tag);
  }
  const user =
    revision === 0 ? undefined : { name: name === undefined ? "" : utf8.decode(name), revision: BigInt(revision) };
  return { member, incarnation, sequence, floor, user, command };
};

/** Refuses bytes that are no UTF-8, as the generated code does. */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Reads a command, if it is one of the most frequent. */
const readCommand = (fields: Fields, tag: number): Command | undefined => {
  const outerEnd = fields.enter();
  let command: Command | undefined;
  if (tag === 82) command = { $case: "put", value: readPut(fields) };
  else if (tag === 90) command = { $case: "deleteRange", value: readDeleteRange(fields) };
  else if (tag === 98) command = { $case: "txn", value: readTxn(fields) };
  else if (tag === 106) command = { $case: "compact", value: readCompaction(fields) };
  else fields.markOdd();
  fields.leave(outerEnd);
  return command;
};

const writeCommand = (command: Command): void => {
  switch (command.$case) {
    case "put":
      writePut(command.value);
      return writer.enclose(82, 0);
    case "deleteRange":
      writeDeleteRange(command.value);
      return writer.enclose(90, 0);
    case "txn":
      writeTxn(command.value);
      return writer.enclose(98, 0);
    case "compact":
      writeCompaction(command.value);
      return writer.enclose(106, 0);
    case "publish":
    case "leaseGrant":
    case "leaseRevoke":
    case "leaseExpiry":
    case "alarm":
    case "leaseCheckpoint":
    case "authEnable":
    case "authDisable":
    case "login":
    case "userAdd":
    case "userDelete":
    case "userChangePassword":
    case "userGrantRole":
    case "userRevokeRole":
    case "roleAdd":
    case "roleDelete":
    case "roleGrantPermission":
    case "roleRevokePermission":
      return writer.writeEncoded(Proposal.encode(Proposal.create({ command })).finish());
  }
};
