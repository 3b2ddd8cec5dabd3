// Watchers: live ones, those that catch up with history, and the events that they get.

export { WatchHistory } from "./watch-history.js";
export type { Watch, WatchBatch, WatchOptions, WatchReceiver } from "./watch.js";
export { Watches } from "./watches.js";
