// `--config-file`: all settings in one YAML file, whose keys are names of flags. Values have YAML's types (no number in quotes,
// durations in nanoseconds), and unknown keys are ignored, as in etcd; minietcd warns about them.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type * as Yaml from "yaml";
import { StartError } from "../base/index.js";
import type { Flag } from "./flag.js";
import type { GivenFlag } from "./settings.js";
import { findFlag } from "./flag-table.js";

/** The flags of a configuration file. */
export interface FileFlags {
  readonly given: readonly GivenFlag[];
  /** Keys that are no flag. */
  readonly unknown: readonly string[];
}

/** Sections of the file, with the flags of their keys. */
const sections: ReadonlyMap<string, (key: string) => string> = new Map([
  ["client-transport-security", (key: string) => clientTlsFlags.get(key) ?? key],
  ["peer-transport-security", (key: string) => peerTlsFlags.get(key) ?? `peer-${key}`],
  ["socket-options", (key: string) => `socket-${key}`],
  ["discovery-config", (key: string) => `discovery-${key}`],
]);

const clientTlsFlags = new Map([
  ["allowed-hostname", "client-cert-allowed-hostname"],
  ["allowed-cn", "client-cert-allowed-cn"],
  ["skip-client-san-verification", "peer-skip-client-san-verification"],
]);
const peerTlsFlags = new Map([
  ["allowed-hostname", "peer-cert-allowed-hostname"],
  ["allowed-cn", "peer-cert-allowed-cn"],
]);

/**
 * Reads the file.
 *
 * @throws StartError if it cannot be read, is no YAML, or has a value of another type than its flag
 */
export const readConfigFile = (path: string): FileFlags => {
  const given: GivenFlag[] = [];
  const unknown: string[] = [];
  const add = (name: string, key: string, value: unknown): void => {
    const flag = findFlag(name);
    if (flag === undefined || name === "config-file") unknown.push(key);
    else if (value !== null) given.push({ flag, text: textOf(flag, key, value), source: { kind: "file", path, key } });
  };
  for (const [key, value] of Object.entries(parse(path))) {
    const name = key.toLowerCase(); // keys are case-insensitive, as in Go's JSON
    const flagOf = sections.get(name);
    if (flagOf === undefined) add(name, key, value);
    else for (const [inner, each] of Object.entries(objectOf(key, value))) add(flagOf(inner), `${key}.${inner}`, each);
  }
  return { given, unknown };
};

const require = createRequire(import.meta.url);

/** The maximum number of resolved aliases: bounds the memory that a small file can expand to. */
const maxAliases = 100;

const parse = (path: string): Record<string, unknown> => {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new StartError(code === "ENOENT" ? `open ${path}: no such file or directory` : `open ${path}: ${message}`);
  }
  // Loaded on demand, as few members have such a file: loading takes a tenth of a member's start.
  const { parseDocument } = require("yaml") as typeof Yaml;
  // YAML 1.1, as in etcd; the last one of duplicate keys is used.
  const document = parseDocument(text, { version: "1.1", uniqueKeys: false, prettyErrors: true });
  const [error] = document.errors;
  if (error !== undefined) throw new StartError(`error converting YAML to JSON: yaml: ${error.message.trim()}`);
  return objectOf(path, document.toJS({ maxAliasCount: maxAliases }));
};

const objectOf = (key: string, value: unknown): Record<string, unknown> => {
  if (value === null || value === undefined) return {};
  if (typeof value !== "object" || Array.isArray(value))
    throw new StartError(`error unmarshaling JSON: while decoding JSON: ${key} is ${jsonTypeOf(value)}, not an object`);
  return value as Record<string, unknown>;
};

const jsonTypeOf = (value: unknown): string => (Array.isArray(value) ? "array" : typeof value);

/** Flags whose values are lists in the file; other flags with several values have comma-separated text. */
const listFlags = new Set([
  ...["log-outputs", "cipher-suites", "discovery-endpoints", "client-cert-allowed-hostname"],
  ...["client-cert-allowed-cn", "peer-cert-allowed-cn", "peer-cert-allowed-hostname"],
]);

/** Returns the value as on the command line. */
const textOf = (flag: Flag, key: string, value: unknown): string => {
  const fail = (goType: string): never => {
    const what = typeof value === "number" && goType !== "string" ? `number ${value}` : jsonTypeOf(value);
    throw new StartError(
      "error unmarshaling JSON: while decoding JSON: " +
        `json: cannot unmarshal ${what} into Go struct field configYAML.Config.${key} of type ${goType}`,
    );
  };
  if (listFlags.has(flag.name))
    return Array.isArray(value) && value.every((each) => typeof each === "string") ? value.join(",") : fail("[]string");
  if (typeof flag.kind === "object") return typeof value === "string" ? value : fail("string");
  switch (flag.kind) {
    case "any":
      return "";
    case "bool":
      return typeof value === "boolean" ? String(value) : fail("bool");
    case "int":
      return Number.isInteger(value) ? String(value) : fail("int");
    case "uint":
    case "uint32":
      return Number.isInteger(value) && Number(value) >= 0 ? String(value) : fail(flag.kind);
    case "duration":
      return Number.isInteger(value) ? `${String(value)}ns` : fail("time.Duration");
    case "string":
    case "strings":
    case "urls":
    case "origins":
    case "gates":
      return typeof value === "string" ? value : fail("string");
  }
};
