import assert from "node:assert/strict";
import { messageText } from "../../../testing/index.js";

/** Checks that two messages are equal. */
export const assertSame = (actual: unknown, expected: unknown, what: string): void => {
  const [is, wanted] = [messageText(actual), messageText(expected)];
  if (is !== wanted) assert.fail(`${what}\n  is        ${is}\n  should be ${wanted}`);
};
