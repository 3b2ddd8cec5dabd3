// The description of a flag: the type of its value, and its effect.

/** The type of a flag's value, named as in Go's `flag` package if it has the type. */
export type FlagKind =
  | "string"
  | "bool"
  | "int"
  | "uint"
  | "uint32"
  | "duration"
  /** Comma-separated; "" is none. */
  | "urls"
  /** Comma-separated URLs, or `*`. */
  | "origins"
  /** Comma-separated. */
  | "strings"
  /** Comma-separated `Name=true|false`. */
  | "gates"
  /** Any value, or none: etcd ignores it. */
  | "any"
  | { readonly oneOf: readonly string[] };

/** The effect of a flag: whether the member implements it, ignores it or refuses it. */
export type FlagEffect =
  /** The member does what `text` describes. */
  | { readonly kind: "works"; readonly text: string }
  /** Accepted with one warning, unless the value describes the member's behaviour. */
  | { readonly kind: "no-effect"; readonly why: string }
  /** The member does not start, unless the value requests nothing. */
  | { readonly kind: "refused"; readonly why: string }
  /** An older name of another flag. */
  | { readonly kind: "same-as"; readonly flag: string };

/** A flag of the command line, which is also a variable and a key of the configuration file. */
export interface Flag {
  /** The name, without dashes. */
  readonly name: string;
  readonly kind: FlagKind;
  /** etcd's default, as text. The flag with this value is the same as no flag. */
  readonly fallback: string;
  readonly effect: FlagEffect;
  /** The last version of etcd with the flag; absent: 3.7 has it. */
  readonly until?: "3.4" | "3.5" | "3.6";
  /** Values other than the default that describe the member's behaviour. */
  readonly harmless?: readonly string[];
  /** Whether etcd does not accept the flag in a file, where it is an unknown key. */
  readonly isCommandLineOnly?: boolean;
  /** Returns a warning about a part of the value without effect; undefined: there is none. */
  readonly warning?: (value: string) => string | undefined;
  /** Returns etcd's reason to refuse a well-formed value; undefined if it is accepted. */
  readonly check?: (value: string) => string | undefined;
}

/** Flags under one title of the help. */
export interface FlagGroup {
  readonly title: string;
  readonly flags: readonly Flag[];
}

/** Returns the variable of a flag: ETCD_LISTEN_CLIENT_URLS for `listen-client-urls`. */
export const variableOf = (flag: string): string => `ETCD_${flag.toUpperCase().replaceAll("-", "_")}`;
