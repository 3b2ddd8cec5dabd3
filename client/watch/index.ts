// Watches: events of keys, through broken streams.

export type { WatchEvent, WatchResponse } from "./watch-queue.js";
export { WatchStream } from "./watch-stream.js";
export { Watch, type WatchBatch, type WatchOptions, type WatchServices } from "./watch.js";
