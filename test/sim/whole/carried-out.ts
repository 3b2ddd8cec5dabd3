// The log as a naive reader sees it: each proposal once, with its effects on the store.

import assert from "node:assert/strict";
import { decodeProposal } from "../../../proto/index.js";
import type { Entry } from "../../../raft/index.js";
import { SeenProposals } from "../../../server/replication/apply/seen-proposals.js";
import { toMemberId } from "../../../testing/index.js";
import type { Effect, History } from "./history.js";

export type DecodedProposal = ReturnType<typeof decodeProposal>;

/** A proposal at its position in the log. */
export interface CarriedOut {
  readonly entry: Entry;
  readonly proposal: DecodedProposal;
  /** The effects on the store; empty if there was none. */
  readonly effects: readonly Effect[];
}

/** Calls back for each proposal when a member is the first to apply it. A retransmitted proposal must have no effect. */
export const onCarriedOut = (history: History, listener: (carriedOut: CarriedOut) => void): void => {
  const seen = new SeenProposals();
  /** The effects of the next entry. */
  let effects: Effect[] = [];
  history.onEffect((effect) => void effects.push(effect));
  history.onEntry((_name, entry) => {
    const own = effects;
    effects = [];
    if (entry.kind !== "command") return;
    const proposal = decodeProposal(entry.data);
    const isFirst = seen.admit({ ...proposal, member: toMemberId(proposal.member) });
    if (isFirst) listener({ entry, proposal, effects: own });
    else assert.equal(own.length, 0, `entry ${entry.index} is a repeat, and was carried out`);
  });
};
