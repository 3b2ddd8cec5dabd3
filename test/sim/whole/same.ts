import assert from "node:assert/strict";

/** Any message as text: bytes as characters, large numbers in digits. Equal for equal messages, whatever holds the bytes. */
export const plain = (value: unknown): string => {
  if (value instanceof Uint8Array) return JSON.stringify(Buffer.from(value).toString("latin1"));
  if (Array.isArray(value)) return `[${value.map(plain).join(", ")}]`;
  if (typeof value === "object" && value !== null)
    return `{${Object.entries(value)
      .map(([name, each]) => `${name}: ${plain(each)}`)
      .sort()
      .join(", ")}}`;
  return typeof value === "string" ? JSON.stringify(value) : String(value);
};

/** Two messages must be the same. */
export const assertSame = (actual: unknown, expected: unknown, what: string): void => {
  const [is, wanted] = [plain(actual), plain(expected)];
  if (is !== wanted) assert.fail(`${what}\n  is        ${is}\n  should be ${wanted}`);
};
