// The proposals in the log: encoded by the member whose client asked, decoded by every member that applies them.

import type {
  CompactionRequest,
  Compare,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RequestOp,
  TxnRequest,
} from "../generated/etcdserverpb/kv.js";
import { Proposal } from "../generated/minietcd/command.js";
import { BackWriter } from "./back-writer.js";
import { Fields } from "./fields.js";
import { readCompaction, readDeleteRange, readPut, readTxn } from "./kv-requests.js";

type Command = NonNullable<Proposal["command"]>;

/** The numbers of a proposal. */
export interface ProposalNumbers {
  readonly member: bigint;
  readonly incarnation: number;
  readonly sequence: number;
  readonly floor: number;
}

/** A proposal with its command; undefined: one that a newer version knows. */
export interface DecodedProposal extends ProposalNumbers {
  readonly command: Command | undefined;
}

const writer = new BackWriter();

/** Encodes a proposal. The numbers come first. */
export const encodeProposal = (numbers: ProposalNumbers, command: Command | undefined): Uint8Array => {
  writer.begin();
  if (command !== undefined) writeCommand(command);
  writer.counterField(32, numbers.floor);
  writer.counterField(24, numbers.sequence);
  writer.counterField(16, numbers.incarnation);
  writer.uint64Field(8, numbers.member);
  return writer.take();
};

/** @throws Error if the bytes are no proposal */
export const decodeProposal = (bytes: Uint8Array): DecodedProposal => {
  const fields = new Fields(bytes);
  const proposal = readProposal(fields);
  return fields.isOdd ? decodeOdd(bytes) : proposal;
};

const decodeOdd = (bytes: Uint8Array): DecodedProposal => {
  const { member, incarnation, sequence, floor, command } = Proposal.decode(bytes);
  return { member, incarnation: Number(incarnation), sequence: Number(sequence), floor: Number(floor), command };
};

const readProposal = (fields: Fields): DecodedProposal => {
  let member = 0n;
  let [incarnation, sequence, floor] = [0, 0, 0];
  let command: Command | undefined;
  for (let tag = fields.tag(); tag !== 0; tag = fields.tag()) {
    if (tag === 8) member = fields.uint64();
    else if (tag === 16) incarnation = fields.counter();
    else if (tag === 24) sequence = fields.counter();
    else if (tag === 32) floor = fields.counter();
    else command = readCommand(fields, tag);
  }
  return { member, incarnation, sequence, floor, command };
};

/** Reads a command of those that clients give most often. */
const readCommand = (fields: Fields, tag: number): Command | undefined => {
  const outerEnd = fields.enter();
  let command: Command | undefined;
  if (tag === 82) command = { $case: "put", value: readPut(fields) };
  else if (tag === 90) command = { $case: "deleteRange", value: readDeleteRange(fields) };
  else if (tag === 98) command = { $case: "txn", value: readTxn(fields) };
  else if (tag === 106) command = { $case: "compact", value: readCompaction(fields) };
  else fields.odd();
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
      return writer.encoded(Proposal.encode(Proposal.create({ command })).finish());
  }
};

const writePut = (request: PutRequest): void => {
  writer.boolField(48, request.ignoreLease);
  writer.boolField(40, request.ignoreValue);
  writer.boolField(32, request.prevKv);
  writer.int64Field(24, request.lease);
  writer.bytesField(18, request.value);
  writer.bytesField(10, request.key);
};

const writeDeleteRange = (request: DeleteRangeRequest): void => {
  writer.boolField(24, request.prevKv);
  writer.bytesField(18, request.rangeEnd);
  writer.bytesField(10, request.key);
};

const writeCompaction = ({ revision, physical }: CompactionRequest): void => {
  writer.boolField(16, physical);
  writer.int64Field(8, revision);
};

const writeRange = (request: RangeRequest): void => {
  writer.int64Field(104, request.maxCreateRevision);
  writer.int64Field(96, request.minCreateRevision);
  writer.int64Field(88, request.maxModRevision);
  writer.int64Field(80, request.minModRevision);
  writer.boolField(72, request.countOnly);
  writer.boolField(64, request.keysOnly);
  writer.boolField(56, request.serializable);
  writer.int64Field(48, BigInt(request.sortTarget));
  writer.int64Field(40, BigInt(request.sortOrder));
  writer.int64Field(32, request.revision);
  writer.int64Field(24, request.limit);
  writer.bytesField(18, request.rangeEnd);
  writer.bytesField(10, request.key);
};

const writeTxn = ({ compare, success, failure }: TxnRequest): void => {
  for (let n = failure.length - 1; n >= 0; n--) writeOperation(26, failure[n]?.request);
  for (let n = success.length - 1; n >= 0; n--) writeOperation(18, success[n]?.request);
  for (let n = compare.length - 1; n >= 0; n--) {
    const before = writer.written;
    const each = compare[n];
    if (each !== undefined) writeCompare(each);
    writer.enclose(10, before);
  }
};

const writeOperation = (tag: number, request: RequestOp["request"]): void => {
  const outer = writer.written;
  if (request !== undefined) writer.enclose(writeRequest(request), outer);
  writer.enclose(tag, outer);
};

/** @returns the tag of its field */
const writeRequest = (request: NonNullable<RequestOp["request"]>): number => {
  switch (request.$case) {
    case "requestRange":
      writeRange(request.value);
      return 10;
    case "requestPut":
      writePut(request.value);
      return 18;
    case "requestDeleteRange":
      writeDeleteRange(request.value);
      return 26;
    case "requestTxn":
      writeTxn(request.value);
      return 34;
  }
};

const writeCompare = ({ result, target, key, targetUnion, rangeEnd }: Compare): void => {
  writer.bytesField(514, rangeEnd);
  switch (targetUnion?.$case) {
    case "version":
      writer.int64Item(32, targetUnion.value);
      break;
    case "createRevision":
      writer.int64Item(40, targetUnion.value);
      break;
    case "modRevision":
      writer.int64Item(48, targetUnion.value);
      break;
    case "value":
      writer.item(58, targetUnion.value);
      break;
    case "lease":
      writer.int64Item(64, targetUnion.value);
      break;
    case undefined:
  }
  writer.bytesField(26, key);
  writer.int64Field(16, BigInt(target));
  writer.int64Field(8, BigInt(result));
};
