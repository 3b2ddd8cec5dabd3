// Requests and answers as text, without default values.
import type { Exchange } from "./pair.js";
import type { Answer, Request } from "./requests.js";

const isDefault = (value: unknown) =>
  value === undefined ||
  value === 0 ||
  value === 0n ||
  value === false ||
  (Array.isArray(value) && value.length === 0) ||
  (value instanceof Uint8Array && value.length === 0);

function showBytes(bytes: Uint8Array): string {
  if (bytes.length > 64) return `<${bytes.length} bytes>`;
  const readable = [...bytes].map((byte) =>
    byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`,
  );
  return `"${readable.join("")}"`;
}

const isCase = (value: object): value is { $case: string; value: unknown } => "$case" in value;

function show(value: unknown): string {
  if (value instanceof Uint8Array) return showBytes(value);
  if (Array.isArray(value)) return `[${value.map(show).join(", ")}]`;
  if (typeof value !== "object" || value === null) return String(value);
  if (isCase(value)) return `${value.$case} ${show(value.value)}`;
  const fields = Object.entries(value).filter(([, field]) => !isDefault(field));
  return `{${fields.map(([name, field]) => `${name}: ${show(field)}`).join(", ")}}`;
}

export const showFields = (fields: object): string => show(fields);

export const showRequest = ({ method, message }: Request): string => `${method} ${show(message)}`;

export const showAnswer = (answer: Answer): string =>
  answer.kind === "ok" ? show(answer.message) : `error ${answer.code} "${answer.details}"`;

/** Shows a request with both answers, or with one if they are equal. */
export function showExchange({ request, etcd, ours, difference }: Exchange): string {
  if (difference === "none") return `${showRequest(request)}\n  both: ${showAnswer(etcd)}`;
  return `${showRequest(request)}\n  etcd: ${showAnswer(etcd)}\n  ours: ${showAnswer(ours)}`;
}
