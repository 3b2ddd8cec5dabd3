// A watcher on both servers, and its responses.
import type { Event, WatchCreateRequest, WatchRequest, WatchResponse } from "../../../proto/index.js";

export interface Watcher {
  readonly id: bigint;
  readonly create: WatchCreateRequest;
  /** Whether it began at a future revision, so that each revision comes in a response of its own. */
  readonly isLive: boolean;
  /** Whether a compaction has removed revisions that it needs. */
  fate: "lives" | "is cut off" | "was cut off";
  /** The revision to resume at. */
  next: bigint;
}

/** Tells whether a watcher filters out all events. */
export const filtersEverything = ({ filters }: WatchCreateRequest): boolean =>
  filters.includes(0) && filters.includes(1);

export interface Received {
  readonly events: readonly Event[];
  /** The responses, where their division is defined: a watcher that catches up may receive any number of revisions at once. */
  readonly responses: readonly WatchResponse[];
  /** The remaining responses, which end the watcher. */
  readonly cutOff: readonly WatchResponse[];
  /** Promises that the responses broke. */
  readonly broken: readonly string[];
}

const revisionOf = (event: Event | undefined) => event?.kv?.modRevision ?? 0n;

function findBrokenPromises(responses: readonly WatchResponse[]): string[] {
  return responses.flatMap((response, index) => {
    const next = responses[index + 1];
    const last = revisionOf(response.events.at(-1));
    const isTorn = !response.fragment && next !== undefined && revisionOf(next.events[0]) === last;
    const isAhead = (response.header?.revision ?? 0n) < last;
    return [
      ...(isTorn ? [`revision ${last} is torn`] : []),
      ...(isAhead ? [`revision ${last} is ahead of its header`] : []),
    ];
  });
}

export function eventsOf(watcher: Watcher | undefined, received: readonly WatchResponse[] = []): Received {
  const responses = received.filter(({ events }) => events.length > 0);
  return {
    events: responses.flatMap(({ events }) => events),
    responses: watcher?.isLive === false ? [] : responses,
    cutOff: received.filter(({ events }) => events.length === 0),
    broken: findBrokenPromises(responses),
  };
}

function ofReplies({ requestUnion: request }: WatchRequest, [reply]: readonly (WatchResponse | string)[]): string[] {
  if (reply === undefined || typeof reply === "string" || request === undefined) return [];
  switch (request.$case) {
    case "createRequest": {
      if (reply.canceled) return [`watch: refused: ${reply.cancelReason}`];
      const { startRevision: start, watchId, filters } = request.value;
      const from = start === 0n ? "now" : start <= (reply.header?.revision ?? 0n) ? "the past" : "the future";
      return [
        `watch: from ${from}`,
        `watch: id ${watchId === 0n ? "free" : "own"}`,
        `watch: filters ${filters.join()}`,
      ];
    }
    case "cancelRequest":
      return [`cancel: ${reply.created ? "unknown" : "known"}`];
    case "progressRequest":
      return ["progress: received"];
  }
}

function ofReceived(watcher: Watcher | undefined, { events, responses, cutOff }: Received): string[] {
  const how = watcher?.isLive === false ? "past" : "live";
  const { filters = [] } = watcher?.create ?? {};
  const revisions = events.map(revisionOf);
  const found: [boolean, string][] = [
    [events.some(({ type }) => type === 0), "PUT"],
    [events.some(({ type }) => type === 1), "DELETE"],
    [events.some(({ type, prevKv }) => type === 0 && prevKv !== undefined), "PUT with prev_kv"],
    [events.some(({ type, prevKv }) => type === 1 && prevKv !== undefined), "DELETE with prev_kv"],
    [new Set(revisions).size < revisions.length, "several of one revision"],
    [filters.includes(0) && events.length > 0, "without PUTs"],
    [filters.includes(1) && events.length > 0, "without DELETEs"],
    [responses.some(({ fragment }) => fragment), "in fragments"],
    [cutOff.length > 0, "cut off"],
  ];
  return found.filter(([happened]) => happened).map(([, what]) => `received, ${how}: ${what}`);
}

export const watchOutcomes = { ofReplies, ofReceived };

const received = ["PUT", "DELETE", "PUT with prev_kv", "DELETE with prev_kv", "several of one revision"];

/** Outcomes that every run must have. */
export const expectedWatchOutcomes: readonly string[] = [
  ...["now", "the past", "the future"].map((from) => `watch: from ${from}`),
  ...["free", "own"].map((id) => `watch: id ${id}`),
  ...["", "0", "1", "0,1"].map((filters) => `watch: filters ${filters}`),
  ...["watcher range is empty", "duplicate watch ID provided on the WatchStream"].map(
    (reason) => `watch: refused: mvcc: ${reason}`,
  ),
  ...["unknown", "known"].map((cancel) => `cancel: ${cancel}`),
  "progress: received",
  ...["past", "live"].flatMap((how) =>
    [...received, "without PUTs", "without DELETEs"].map((what) => `received, ${how}: ${what}`),
  ),
  "received, past: cut off",
];
