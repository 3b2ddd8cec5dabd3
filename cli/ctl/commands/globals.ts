// The flags of every command, and the environment variables that replace them.
import type { Command, Option } from "commander";
import {
  booleanFlag,
  counterFlag,
  durationFlag,
  exitCodes,
  Failure,
  formatDuration,
  type Io,
  listFlag,
  quote,
  textFlag,
} from "../args/index.js";

/** Values of the global flags. */
export interface Globals {
  readonly endpoints: readonly string[];
  readonly writeOut: string;
  readonly hex: boolean;
  readonly debug: boolean;
  /** A time in milliseconds, like all times in this interface. */
  readonly dialTimeout: number;
  readonly commandTimeout: number;
  readonly keepaliveTime: number;
  readonly keepaliveTimeout: number;
  /** A file, like `cert` and `key`; empty: none. */
  readonly cacert: string;
  readonly cert: string;
  readonly key: string;
  readonly insecureTransport: boolean;
  readonly insecureSkipTlsVerify: boolean;
  /** Bytes; 0: the client's default. */
  readonly maxRequestBytes: number;
  readonly maxRecvBytes: number;
  /** The user to act as, or `name:password`; empty: none. */
  readonly user: string;
  readonly password: string;
  readonly authJwtToken: string;
  /** The domain to look up in DNS; empty: `endpoints` are used. */
  readonly discoverySrv: string;
  /** A suffix of the DNS service name; empty: none. */
  readonly discoverySrvName: string;
  readonly insecureDiscovery: boolean;
}

/** Declares the global flags, which are etcdctl's. */
export const globalFlags = (): Option[] => [
  listFlag("--endpoints <list>", "endpoints, separated by commas: host:port, https://host:port or unix:path", [
    "127.0.0.1:2379",
  ]),
  textFlag("-w, --write-out <format>", "output format: simple, fields, json, protobuf or table", "simple"),
  booleanFlag("--hex", "print keys and values as hex bytes"),
  durationFlag("--dial-timeout <duration>", "time to wait for a connection; 0: no limit but the command's", 2_000),
  durationFlag("--command-timeout <duration>", "time to wait for the command's answers", 5_000),
  durationFlag(
    "--keepalive-time <duration>",
    "time without a message after which the server is pinged, at least 10s; 0: never",
    2_000,
  ),
  durationFlag("--keepalive-timeout <duration>", "time to wait for the answer to a ping", 6_000),
  textFlag("--cacert <file>", "authorities that verify the server's TLS certificate, PEM"),
  textFlag("--cert <file>", "TLS certificate to present, PEM"),
  textFlag("--key <file>", "private key of the certificate, PEM"),
  booleanFlag("--insecure-transport", "without certificates, use no TLS for endpoints without a scheme", true),
  booleanFlag("--insecure-skip-tls-verify", "do not verify server certificates; for tests only"),
  counterFlag("--max-request-bytes <bytes>", "maximum size of a request; 0: 2 MiB"),
  counterFlag("--max-recv-bytes <bytes>", "maximum size of an answer; 0: 2 GiB"),
  textFlag("--user <name>", "user name, or name:password; prompts for the password if none is given"),
  textFlag("--password <password>", "password of --user, whose name may then contain a colon"),
  textFlag("--auth-jwt-token <token>", "JWT to send instead of a user and a password"),
  booleanFlag("--debug", "print the effective settings"),
  textFlag(
    "-d, --discovery-srv <domain>",
    "domain whose SRV records in DNS name the endpoints, instead of --endpoints",
  ),
  textFlag("--discovery-srv-name <name>", "suffix of the DNS service name, if the domain has several clusters"),
  booleanFlag(
    "--insecure-discovery",
    "accept DNS records of endpoints without TLS; false: server certificates must be valid for the domain",
    true,
  ),
];

const variableOf = (option: Option) => `ETCDCTL_${option.name().toUpperCase().replaceAll("-", "_")}`;

/** Variables that do not stand for a global flag. */
const otherVariables = new Set(["ETCDCTL_API", "ETCDCTL_WATCH_KEY", "ETCDCTL_WATCH_RANGE_END"]);

/**
 * Returns the settings of a command that talks to a cluster: from flags, else from `ETCDCTL_*` variables, else the defaults.
 *
 * @throws Failure if a setting is given as a flag and as a variable, or is invalid
 */
export function globalsOf(program: Command, { env, note }: Pick<Io, "env" | "note">): Globals {
  const { ETCDCTL_API: api = "" } = env;
  if (api !== "" && api !== "3") throw new Failure(exitCodes.error, `unsupported API version ${api}`);
  const options = new Map(program.options.map((option) => [variableOf(option), option]));
  for (const [variable, text = ""] of Object.entries(env).sort()) {
    if (!variable.startsWith("ETCDCTL_") || text === "" || otherVariables.has(variable)) continue;
    const option = options.get(variable);
    if (option === undefined) note(`Warning: unrecognized environment variable ${variable}`);
    else takeVariable(program, option, variable, text);
  }
  const globals = program.opts<Globals>();
  if (globals.debug) printSettings(program, options, note);
  return globals;
}

function takeVariable(program: Command, option: Option, variable: string, text: string): void {
  if (program.getOptionValueSource(option.attributeName()) === "cli")
    throw new Failure(
      exitCodes.error,
      `conflicting environment variable ${quote(variable)} is shadowed by corresponding command-line flag ` +
        "(either unset environment variable or disable flag)",
    );
  program.parseOptions([`--${option.name()}=${text}`]);
}

/** Flags whose values are in milliseconds. */
const durations = new Set(["dial-timeout", "command-timeout", "keepalive-time", "keepalive-timeout"]);

/** Variables whose value is not printed. */
const secrets: ReadonlySet<string> = new Set(["ETCDCTL_AUTH_JWT_TOKEN", "ETCDCTL_PASSWORD", "ETCDCTL_USER"]);

/** Prints all settings by name, without the values of secrets. */
function printSettings(program: Command, options: ReadonlyMap<string, Option>, note: Io["note"]): void {
  const formatSetting = (name: string, value: unknown): string => {
    if (typeof value === "number" && durations.has(name)) return formatDuration(value);
    return Array.isArray(value) ? `[${value.join(",")}]` : String(value);
  };
  for (const [variable, option] of [...options].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const value: unknown = program.getOptionValue(option.attributeName());
    const secret = secrets.has(variable) && value !== "";
    note(`${variable}=${secret ? "(hidden)" : formatSetting(option.name(), value)}`);
  }
}
