// Printers of the output formats: simple, fields, json, protobuf, table.

export { printerOf } from "./formats.js";
export type { EndpointHash, EndpointStatus, Health, Printer, WatchAnswer } from "./printer.js";
export { SimplePrinter } from "./simple-printer.js";
