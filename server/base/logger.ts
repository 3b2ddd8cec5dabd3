import { isError } from "../../platform/index.js";

/** Levels of etcd's `--log-level`, least severe first. */
export const logLevels = ["debug", "info", "warn", "error", "panic", "fatal"] as const;
/** A level of `logLevels`. */
export type LogLevel = (typeof logLevels)[number];

/** `console`: time, level and message separated by tabs, then the fields as JSON, in the format of zap. */
export type LogFormat = "json" | "console";

/**
 * The fields of a log line after its message. A bigint is logged as an id of 16 hex digits, an error as its message
 * with its causes.
 */
export type LogFields = Readonly<Record<string, unknown>>;

/** Writes one line per message, by default a JSON object: `level`, `ts`, `msg`, then the fields. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** Logs the last line of a process that cannot continue. */
  fatal(message: string, fields?: LogFields): void;
}

/** The options of `createLogger`. */
export interface LoggerOptions {
  /** Lines below this level are dropped. */
  readonly level: LogLevel;
  readonly format?: LogFormat;
  readonly write: (line: string) => void;
  /** The wall clock, for `ts` only. */
  readonly timestamp: () => string;
}

/** Creates a logger; a message below the level costs a call of an empty function. */
export const createLogger = (options: LoggerOptions): Logger => {
  const lowest = logLevels.indexOf(options.level);
  const lineOf = options.format === "console" ? consoleLine : jsonLine;
  const at = (level: LogLevel) => {
    if (logLevels.indexOf(level) < lowest) return () => undefined;
    return (msg: string, fields: LogFields = {}): void =>
      options.write(lineOf({ level, ts: options.timestamp(), msg }, fields) + "\n");
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error"), fatal: at("fatal") };
};

interface LineHead {
  readonly level: LogLevel;
  readonly ts: string;
  readonly msg: string;
}

const jsonLine = (head: LineHead, fields: LogFields): string => JSON.stringify({ ...head, ...fields }, toPrintable);

const consoleLine = ({ level, ts, msg }: LineHead, fields: LogFields): string => {
  const words = [ts, level, msg];
  return (Object.keys(fields).length === 0 ? words : [...words, JSON.stringify(fields, toPrintable)]).join("\t");
};

/** Formats ids as 16 hex digits, and errors by their message and causes. */
const toPrintable = (_key: string, value: unknown): unknown => {
  if (typeof value === "bigint") return formatId(value);
  if (isError(value)) return errorText(value);
  return value;
};

/** Formats a 64-bit id as etcd does: hex digits without leading zeros. */
export const formatId = (id: bigint): string => BigInt.asUintN(64, id).toString(16);

/** Returns the message of an error with those of its causes. */
export const errorText = (error: unknown): string => {
  if (!isError(error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${errorText(error.cause)}`;
};
