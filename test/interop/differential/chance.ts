// How values are chosen. What fails is made shorter by fast-check, towards the first of each choice.
import fc from "fast-check";

export type Choice<T> = readonly [weight: number, arbitrary: fc.Arbitrary<T>];

export const choose = <T>(...choices: Choice<T>[]): fc.Arbitrary<T> =>
  fc.oneof({ withCrossShrink: true }, ...choices.map(([weight, arbitrary]) => ({ weight, arbitrary })));
/** `value`, except one time in `oneIn`. */
export const mostly = <T>(value: T, oneIn: number, other: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  choose([oneIn - 1, fc.constant(value)], [1, other]);
export const seldom = (oneIn: number): fc.Arbitrary<boolean> => mostly(false, oneIn, fc.constant(true));
/** Generates lists of all lengths alike; fast-check by itself prefers short ones. */
export const list = <T>(item: fc.Arbitrary<T>, minLength: number, maxLength: number): fc.Arbitrary<T[]> =>
  fc.array(item, { minLength, maxLength, size: "max" });
