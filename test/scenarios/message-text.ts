// Messages as one line of text: scenarios print the messages that members send, and name the messages that members receive.
import { Configuration, type ConfigurationMember } from "../../raft/core/configuration.js";
import { toMemberId } from "../../testing/ids.js";
import type { LogIndex, LogPosition, Term } from "../../raft/core/ids.js";
import type { Entry, PeerMessage } from "../../raft/core/types.js";

const entryPosition = (index: LogIndex, term: Term): string => `${index}/${term}`;
export const positionText = ({ index, term }: LogPosition): string => entryPosition(index, term);

export const entryText = (entry: Entry): string => entryPosition(entry.index, entry.term) + contentText(entry);

const contentText = (entry: Entry): string => {
  switch (entry.kind) {
    case "empty":
      return "";
    case "command":
      return `:${new TextDecoder().decode(entry.data)}`;
    case "configuration":
      return `:${configurationText(entry.configuration)}`;
  }
};

/** Returns `{1,2,3+4}`: voters, then learners. */
export const configurationText = ({ voters, learners }: Configuration): string =>
  `{${voters.join(",")}${learners.length > 0 ? `+${learners.join(",")}` : ""}}`;

/** Returns the configuration of a text that `configurationText` returned. */
export const configurationOf = (text: string): Configuration => {
  const [voters = "", learners = ""] = text.replace(/[{}]/g, "").split("+");
  const members = (ids: string, isLearner: boolean): ConfigurationMember[] =>
    ids === "" ? [] : ids.split(",").map((id) => ({ id: toMemberId(BigInt(id)), isLearner, addresses: [] }));
  return new Configuration([...members(voters, false), ...members(learners, true)]);
};

export function messageText(message: PeerMessage): string {
  switch (message.kind) {
    case "preVote":
    case "vote":
      return `${message.kind} term=${message.term} last=${entryPosition(message.lastIndex, message.lastTerm)}${message.transfer ? " transfer" : ""}`;
    case "preVoteReply":
    case "voteReply":
      return `${message.kind} term=${message.term} ${message.granted ? "granted" : "refused"}`;
    case "append": {
      const { term, prevIndex, prevTerm, commit, entries } = message;
      const listed = entries.length === 0 ? "none" : entries.map(entryText).join(",");
      return `append term=${term} prev=${entryPosition(prevIndex, prevTerm)} commit=${commit} entries=${listed}`;
    }
    case "appendReply": {
      const { term, accepted, index, hintIndex, hintTerm } = message;
      const answer = accepted
        ? `accepted index=${index}`
        : `refused index=${index} hint=${entryPosition(hintIndex, hintTerm)}`;
      return `appendReply term=${term} ${answer}`;
    }
    case "heartbeat":
      return `heartbeat term=${message.term} commit=${message.commit} round=${message.round}`;
    case "heartbeatReply":
      return `heartbeatReply term=${message.term} round=${message.round}`;
    case "commit":
      return `commit term=${message.term} commit=${message.commit}`;
    case "timeoutNow":
      return `timeoutNow term=${message.term} last=${message.lastIndex}`;
    case "forwardedProposal":
      return `forwardedProposal ${new TextDecoder().decode(message.data)}`;
    case "forwardedRead":
      return `forwardedRead ${message.request}`;
    case "forwardedReadReply":
      return `forwardedReadReply ${message.request} index=${message.index}`;
  }
}

/** `name=value` words, and words without a value. */
export class Words {
  private readonly named = new Map<string, string>();
  readonly plain: readonly string[];

  constructor(words: readonly string[]) {
    for (const word of words) {
      const [name, value] = word.split("=");
      if (name !== undefined && value !== undefined) this.named.set(name, value);
    }
    this.plain = words.filter((word) => !word.includes("="));
  }

  text(name: string): string | undefined {
    return this.named.get(name);
  }

  number(name: string, absent = 0): number {
    const text = this.named.get(name);
    return text === undefined ? absent : Number(text);
  }

  /** Reads the position `index/term`. */
  position(name: string): { index: LogIndex; term: Term } {
    const [index, term] = (this.named.get(name) ?? "0/0").split("/").map(Number);
    return { index: index as LogIndex, term: term as Term };
  }
}

/** Reads `4/2:x,5/2,6/2:{1,2+3}`, or `none`. */
export function entriesOf(text: string): Entry[] {
  if (text === "none") return [];
  return text.split(/,(?![^{]*\})/).map((word) => {
    const [place = "", content] = word.split(":");
    const [index, term] = place.split("/").map(Number);
    const position = { index: index as LogIndex, term: term as Term };
    if (content === undefined) return { kind: "empty", ...position };
    if (content.startsWith("{")) return { kind: "configuration", ...position, configuration: configurationOf(content) };
    return { kind: "command", ...position, data: new TextEncoder().encode(content) };
  });
}

/** Returns the message whose `messageText` is these words; only kinds that scenarios have members receive. */
export function messageOf(kind: string, words: Words): PeerMessage {
  const term = words.number("term") as Term;
  const answer = words.plain[0];
  switch (kind) {
    case "preVote":
    case "vote": {
      const { index, term: lastTerm } = words.position("last");
      return { kind, term, lastIndex: index, lastTerm, transfer: answer === "transfer" };
    }
    case "preVoteReply":
    case "voteReply":
      return { kind, term, granted: answer === "granted" };
    case "append": {
      const { index: prevIndex, term: prevTerm } = words.position("prev");
      const entries = entriesOf(words.text("entries") ?? "none");
      return { kind, term, prevIndex, prevTerm, commit: words.number("commit") as LogIndex, entries };
    }
    case "appendReply": {
      const { index: hintIndex, term: hintTerm } = words.position("hint");
      const index = words.number("index") as LogIndex;
      return { kind, term, accepted: answer === "accepted", index, hintIndex, hintTerm };
    }
    case "heartbeat":
      return { kind, term, commit: words.number("commit") as LogIndex, round: words.number("round") };
    case "heartbeatReply":
      return { kind, term, round: words.number("round") };
    case "commit":
      return { kind, term, commit: words.number("commit") as LogIndex };
    case "timeoutNow":
      return { kind, term, lastIndex: words.number("last") as LogIndex };
    case "forwardedReadReply":
      return { kind, request: Number(answer), index: words.number("index") as LogIndex };
    default:
      throw new Error(`no such message in scenarios: ${kind}`);
  }
}
