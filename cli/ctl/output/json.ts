// JSON as Go's encoder writes etcd's messages: 64-bit numbers exact and without quotes, bytes as base64, no zero values.

/** A value that can be written as JSON: bytes as base64, bigints with all digits. */
export type JsonValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | Uint8Array
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

/** Writes a value as JSON. (JSON.stringify throws on bigint, and would write bytes as an object.) */
export function writeJson(value: JsonValue): string {
  if (typeof value === "string") return writeString(value);
  if (value instanceof Uint8Array) return `"${Buffer.from(value).toString("base64")}"`;
  if (typeof value !== "object" || value === null) return String(value);
  if (isList(value)) return `[${value.map(writeJson).join(",")}]`;
  const members = Object.entries(value).map(([name, member]) => `${writeString(name)}:${writeJson(member)}`);
  return `{${members.join(",")}}`;
}

const isList = (value: object): value is readonly JsonValue[] => Array.isArray(value);

/** Go's encoding/json also escapes characters that have a meaning in HTML. */
const writeString = (text: string): string =>
  JSON.stringify(text).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );

/** Omits zero, empty and absent fields, as Go's `omitempty` does. */
export function omitZeros(
  message: Readonly<Record<string, JsonValue | undefined>>,
): Readonly<Record<string, JsonValue>> {
  const members = Object.entries(message).filter((member): member is [string, JsonValue] => !isZero(member[1]));
  return Object.fromEntries(members);
}

function isZero(value: JsonValue | undefined): boolean {
  if (value === undefined || value === null || value === "" || value === false || value === 0 || value === 0n)
    return true;
  return (value instanceof Uint8Array || Array.isArray(value)) && value.length === 0;
}
