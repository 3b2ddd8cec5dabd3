// Checks the arguments of tests in JavaScript, where no compiler does: an ignored mistake would be found much later.

/**
 * Checks the names of options.
 *
 * @param what the call, for the error text: "start a test server"
 * @throws TypeError if `options` is not an object, or has unknown options
 */
export const checkOptions = (what: string, options: unknown, known: readonly string[]): void => {
  if (typeof options !== "object" || options === null || Array.isArray(options))
    throw new TypeError(`Cannot ${what}: expected an object of options, not ${JSON.stringify(options)}`);
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new TypeError(`Cannot ${what}: there is no option "${unknown}", only ${known.join(", ")}`);
};

/**
 * Checks a value that must be one of a few.
 *
 * @throws TypeError if the value is not one of `allowed`
 */
export const checkOneOf = (what: string, name: string, value: unknown, allowed: readonly unknown[]): void => {
  if (allowed.includes(value)) return;
  const expected = allowed.map((each) => JSON.stringify(each)).join(", ");
  throw new TypeError(`Cannot ${what}: ${name} is ${valueText(value)}, expected one of ${expected}`);
};

/**
 * Checks a count.
 *
 * @throws RangeError if the count is not an integer, or below `least`
 */
export const checkCount = (what: string, count: unknown, least: number): void => {
  if (count === Infinity || (Number.isInteger(count) && (count as number) >= least)) return;
  throw new RangeError(`Cannot ${what} ${valueText(count)} requests: expected a whole number from ${least} on`);
};

const valueText = (value: unknown): string =>
  typeof value === "number" || value === undefined ? String(value) : JSON.stringify(value);
