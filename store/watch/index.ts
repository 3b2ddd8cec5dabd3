// Watchers: those that are live, those that catch up with history, the events they are sent.

export { WatchHistory } from "./watch-history.js";
export type { Watch, WatchBatch, WatchOptions, WatchReceiver } from "./watch.js";
export { Watches } from "./watches.js";
