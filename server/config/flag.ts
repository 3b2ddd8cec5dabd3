// A flag of etcd: how its value reads, and what a member does with it.

/** The type of a flag's value; the names are those of Go's `flag` package, as far as it has them. */
export type FlagKind =
  | "string"
  | "bool"
  | "int"
  | "uint"
  | "uint32"
  | "duration"
  /** Comma-separated; "" is none. */
  | "urls"
  /** The same, or `*`. */
  | "origins"
  /** Comma-separated. */
  | "strings"
  /** Comma-separated `Name=true|false`. */
  | "gates"
  /** Takes anything, or nothing: etcd itself ignores it. */
  | "any"
  | { readonly oneOf: readonly string[] };

export type FlagEffect =
  /** The member does what `text` says. */
  | { readonly kind: "works"; readonly text: string }
  /** Accepted with one warning, unless the value says what the member does anyway. */
  | { readonly kind: "no-effect"; readonly why: string }
  /** The member does not start, unless the value asks for nothing. */
  | { readonly kind: "refused"; readonly why: string }
  /** An older name of another flag. */
  | { readonly kind: "same-as"; readonly flag: string };

export interface Flag {
  /** The name, without dashes. */
  readonly name: string;
  readonly kind: FlagKind;
  /** etcd's default, as text. A flag that is given with it is as good as not given. */
  readonly fallback: string;
  readonly effect: FlagEffect;
  /** The last version of etcd that has it; absent: 3.7 does. */
  readonly until?: "3.4" | "3.5" | "3.6";
  /** Values beside the default that say what the member does anyway. */
  readonly harmless?: readonly string[];
  /** etcd does not read it from a file: there it is a word like any other. */
  readonly isCommandLineOnly?: boolean;
  /** Returns a warning about a part of a value that has no effect; undefined if all of it does. */
  readonly warning?: (value: string) => string | undefined;
  /** Returns etcd's reason to refuse a well-formed value; undefined if it is accepted. */
  readonly check?: (value: string) => string | undefined;
}

export interface FlagGroup {
  readonly title: string;
  readonly flags: readonly Flag[];
}

/** `listen-client-urls` is also ETCD_LISTEN_CLIENT_URLS. */
export const variableOf = (flag: string): string => `ETCD_${flag.toUpperCase().replaceAll("-", "_")}`;
