import { formatId, errorText, type LogFields, type Logger } from "../../../server/base/index.js";

/** Maximum number of lines that a test server keeps; the oldest are dropped. */
const keptLines = 1_000;

/** The last log lines of the members of a test cluster, as text. */
export class LogRing {
  private lines: string[] = [];

  /** @param now milliseconds since the start, in the time of the server */
  constructor(private readonly now: () => number) {}

  /** The lines, oldest first. */
  get text(): readonly string[] {
    return this.lines.slice(-keptLines);
  }

  /** Adds a line of a member. */
  add(member: string, level: string, message: string, fields: LogFields = {}): void {
    const time = (this.now() / 1_000).toFixed(3).padStart(9);
    const rest = Object.keys(fields).length === 0 ? "" : ` ${JSON.stringify(fields, toPrintable)}`;
    this.lines.push(`${time} ${member} ${level} ${message}${rest}`);
    if (this.lines.length >= 2 * keptLines) this.lines = this.lines.slice(-keptLines);
  }

  /** Makes the logger of one process of a member; after the death of the process it logs nothing. */
  loggerOf(member: string, isAlive: () => boolean): Logger {
    const at =
      (level: string) =>
      (message: string, fields?: LogFields): void => {
        if (isAlive()) this.add(member, level, message, fields);
      };
    return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error"), fatal: at("fatal") };
  }
}

const toPrintable = (_key: string, value: unknown): unknown => {
  if (typeof value === "bigint") return formatId(value);
  if (value instanceof Error) return errorText(value);
  return value;
};
