// Limits of `npm run check` for the product's source (docs/architecture.md, "Source metrics"). They only get stricter:
// a change that makes a number better sets its limit to the new number.

export interface Limit {
  readonly title: string;
  /** The check fails above `atMost` or below `atLeast`. */
  readonly limit: { readonly atMost: number } | { readonly atLeast: number };
  /** The value that the project aims at. */
  readonly aim: string;
}

export const limits = {
  cycles: { title: "import cycles", limit: { atMost: 0 }, aim: "0" },
  doorless: { title: "rooms without a door", limit: { atMost: 0 }, aim: "0" },
  callbacks: {
    title: "function-typed members of interfaces, unless only classes implement them",
    limit: { atMost: 48 },
    aim: "< 50",
  },
  wideBags: { title: "option bags of more than eight fields", limit: { atMost: 0 }, aim: "0" },
  documented: { title: "exported names with a doc comment, in %", limit: { atLeast: 100 }, aim: ">= 90" },
  riddles: { title: "doc comments that begin with What, Who, Whose, Where, It, …", limit: { atMost: 0 }, aim: "0" },
  pronouns: {
    title: "doc comments that begin with another pronoun or relative word",
    limit: { atMost: 0 },
    aim: "0",
  },
  prepositions: {
    title: "doc comments that begin with a preposition or conjunction",
    limit: { atMost: 0 },
    aim: "0",
  },
} as const satisfies Record<string, Limit>;

export type Measured = keyof typeof limits;

/** Tells whether a value is beyond its limit. */
export const isBeyond = (value: number, { limit }: Limit): boolean =>
  "atMost" in limit ? value > limit.atMost : value < limit.atLeast;
