// Determines for each error whether the same request may be sent again, and a hint for people.
import type { EtcdErrorCode, Outcome } from "./codes.js";

/** The parts of an error that determine its hint. */
export interface Judged {
  readonly code: EtcdErrorCode;
  readonly message: string;
  readonly outcome: Outcome;
}

/** Codes of temporary conditions. */
const passing: ReadonlySet<EtcdErrorCode> = new Set<EtcdErrorCode>(["unavailable", "deadline-exceeded"]);

/** Texts of temporary conditions whose codes also have permanent conditions. */
const passingTexts = /too many requests|leader changed|not ready|revision of auth store is old/;

/** Whether the same request can be sent again without a second effect, and may succeed. */
export const isRetryable = ({ code, message, outcome }: Judged): boolean =>
  outcome === "failed" && (passing.has(code) || passingTexts.test(message));

/** Hints for conditions that are recognized by the server's text. The first match counts. */
const byText: readonly (readonly [RegExp, string])[] = [
  [/^Cannot connect to/, "Check that a member runs at one of the endpoints, and that these are client addresses."],
  [/^Lost lease/, "Stop what needs the lease, then acquire the lease, lock or leadership again."],
  [
    /compacted/,
    "Read the current keys and continue from that revision; a watch with `delivery: { resync: true }` does both.",
  ],
  [/future revision/, "Read at an existing revision; the newest one is in the header of every answer."],
  [/requested lease not found/, "Grant a new lease and put its keys again: this one has expired or was revoked."],
  [
    /space exceeded/,
    "Compact the history, delete keys or raise the quota of the server, then disarm the NOSPACE alarm.",
  ],
  [/too many requests/, "Send the request again a little later, and send fewer requests at the same time."],
  [
    /request is too large|larger than max|size larger than/,
    "Split the request, or raise the limit that the message names.",
  ],
  [/too many operations/, "Split the transaction, or raise --max-txn-ops of the server."],
  [/duplicate key given in txn/, "Change each key only once in a transaction."],
  [/authentication failed/, "Check the user's name and password: the server does not say which of them is wrong."],
  [/authentication is not enabled/, "Remove the login, or enable authentication: any client may do everything here."],
  [/user name is empty/, "Give the client credentials with its option `auth`: this cluster requires a user."],
  [
    /revision of auth store is old/,
    "Log in again: users or roles have changed since the token was issued. A client with a password does so by itself.",
  ],
  [/no leader/, "Send the request again: the members are electing a leader, or have lost their quorum."],
  [/learner/, "Send the request to a voting member: list their endpoints."],
];

const byCode: Readonly<Record<EtcdErrorCode, string>> = {
  cancelled: "No action is needed: this program aborted the request, or closed the client.",
  unknown: "Look up the message in the server's documentation, and the server's log for the reason.",
  "invalid-argument": "Correct the request: the message names the refused part.",
  "deadline-exceeded": "Send the request again, or give it more time with `timeoutMs`.",
  "not-found": "Create the object first, or look it up again: it does not exist, or was deleted.",
  "already-exists": "Use the one that exists, or choose another id.",
  "permission-denied": "Use a user whose roles allow this key and operation.",
  "resource-exhausted": "Request less at a time, or raise the limit that the message names.",
  "failed-precondition": "Read the state again and decide again: it does not meet the request's conditions.",
  aborted: "Begin the operation again from its first step.",
  "out-of-range": "Request an existing revision or range.",
  unimplemented: "Check the version of the server: it does not have this method.",
  internal: "Look at the server's log: a client cannot act on this error.",
  unavailable: "Send the request again: no server could answer it, and nothing has been changed.",
  "data-loss": "Stop using this member and look at its log: its data is damaged.",
  unauthenticated: "Log in again: the server does not accept the credentials of this request.",
};

const ofUnknownOutcome =
  "Read before writing again: the write may have been carried out, or may be carried out later; repeat it only if that does no harm.";

/** Returns the hint for an error: one sentence. */
export function hintFor({ code, message, outcome }: Judged): string {
  if (outcome === "unknown") return ofUnknownOutcome;
  return byText.find(([text]) => text.test(message))?.[1] ?? byCode[code];
}
