// Choice of values. fast-check shrinks a failure towards the first alternative of each choice.
import fc from "fast-check";

export type Choice<T> = readonly [weight: number, arbitrary: fc.Arbitrary<T>];

export const choose = <T>(...choices: Choice<T>[]): fc.Arbitrary<T> =>
  fc.oneof({ withCrossShrink: true }, ...choices.map(([weight, arbitrary]) => ({ weight, arbitrary })));
/** Generates `value`, except one time in `oneIn`. */
export const mostly = <T>(value: T, oneIn: number, other: fc.Arbitrary<T>): fc.Arbitrary<T> =>
  choose([oneIn - 1, fc.constant(value)], [1, other]);
export const seldom = (oneIn: number): fc.Arbitrary<boolean> => mostly(false, oneIn, fc.constant(true));
/** Generates lists whose lengths are equally likely; fast-check by itself prefers short ones. */
export const list = <T>(item: fc.Arbitrary<T>, minLength: number, maxLength: number): fc.Arbitrary<T[]> =>
  fc.array(item, { minLength, maxLength, size: "max" });
