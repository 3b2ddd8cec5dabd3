/**
 * Returns any message as text: bytes as characters, bigints as digits. The text is equal for equal messages, independent of the
 * classes of their byte arrays.
 *
 * @param omitted name of a field to leave out, at every depth
 */
export const messageText = (value: unknown, omitted?: string): string => {
  if (value instanceof Uint8Array) return JSON.stringify(Buffer.from(value).toString("latin1"));
  if (Array.isArray(value)) return `[${value.map((each) => messageText(each, omitted)).join(", ")}]`;
  if (typeof value === "object" && value !== null)
    return `{${Object.entries(value)
      .filter(([name]) => name !== omitted)
      .map(([name, each]) => `${name}: ${messageText(each, omitted)}`)
      .sort()
      .join(", ")}}`;
  return typeof value === "string" ? JSON.stringify(value) : String(value);
};
