// The encoding of a configuration: its members by ascending id, so that equal configurations have equal encodings.
import { Configuration, noMember, type ConfigurationMember, type MemberId } from "../core/index.js";
import type { ByteReader, ByteWriter } from "./bytes.js";

/** The size of the smallest member: its id, whether it is a learner, the number of addresses. */
const minMemberBytes = 10;

/** Writes a configuration. */
export const writeConfiguration = (writer: ByteWriter, { members }: Configuration): void => {
  writer.writeNumber(members.length);
  for (const { id, isLearner, addresses } of members) {
    writer.writeId(id);
    writer.writeFlag(isLearner);
    writer.writeNumber(addresses.length);
    for (const address of addresses) writer.writeBytes(new TextEncoder().encode(address));
  }
};

/** Reads a configuration. @throws MalformedMessageError if there is no voter, or members are not in order */
export const readConfiguration = (reader: ByteReader): Configuration => {
  const count = reader.readNumber();
  if (count * minMemberBytes > reader.remaining)
    throw reader.malformedError(`${count} members announced, too few bytes left`);
  const members: ConfigurationMember[] = [];
  let last: MemberId = noMember;
  for (let left = count; left > 0; left--) {
    const member = readMember(reader);
    if (member.id <= last) throw reader.malformedError(`member ${member.id} after member ${last}`);
    members.push(member);
    last = member.id;
  }
  if (members.every(({ isLearner }) => isLearner)) throw reader.malformedError("a configuration without a voter");
  return new Configuration(members);
};

const readMember = (reader: ByteReader): ConfigurationMember => {
  const id = reader.readId() as MemberId;
  const isLearner = reader.readFlag();
  const count = reader.readNumber();
  if (count > reader.remaining) throw reader.malformedError(`${count} addresses announced, too few bytes left`);
  return { id, isLearner, addresses: Array.from({ length: count }, () => readText(reader)) };
};

const readText = (reader: ByteReader): string => {
  const bytes = reader.readBytes();
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) throw reader.malformedError("an address that is not UTF-8");
    throw error;
  }
};
