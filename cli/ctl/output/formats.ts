// The output formats.
import { exitCodes, Failure, type Io } from "../args/index.js";
import { FieldsPrinter } from "./fields-printer.js";
import { JsonPrinter } from "./json-printer.js";
import type { Printer } from "./printer.js";
import { ProtobufPrinter } from "./protobuf-printer.js";
import { SimplePrinter } from "./simple-printer.js";
import { TablePrinter } from "./table-printer.js";

/** Returns the printer of an output format. @throws Failure if there is no such format */
export function printerOf(format: string, hex: boolean, io: Io): Printer {
  switch (format) {
    case "simple":
      return new SimplePrinter(hex, io);
    case "json":
      return new JsonPrinter(hex, io);
    case "fields":
      return new FieldsPrinter(hex, io);
    case "table":
      return new TablePrinter(io);
    case "protobuf":
      return new ProtobufPrinter(io);
    default:
      throw new Failure(exitCodes.badFeature, "unsupported output format");
  }
}
