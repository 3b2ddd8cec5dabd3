// Printers of the output formats: simple, fields, json, protobuf, table.

export { FieldsPrinter } from "./fields-printer.js";
export { printerOf } from "./formats.js";
export { JsonPrinter } from "./json-printer.js";
export type { EndpointHash, EndpointStatus, Health, Printer, WatchAnswer } from "./printer.js";
export { SimplePrinter } from "./simple-printer.js";
export { alarmName } from "./tables.js";
