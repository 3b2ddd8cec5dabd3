// Checks of options, durations, names of statuses, and the lifetime of a test server.

export { checkCount, checkOneOf, checkOptions } from "./check-options.js";
export { type Duration, toMs } from "./duration.js";
export { closedText, Lifetime } from "./lifetime.js";
export { statusCodes, type StatusName } from "./status-names.js";
