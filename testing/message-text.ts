/**
 * Returns any message as text: bytes as characters, large numbers in digits. Equal for equal messages, whatever holds the bytes.
 *
 * @param omitted name of a field that is left out, at every depth
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
