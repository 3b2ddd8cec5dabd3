export type OpenerKind = "riddles" | "pronouns" | "prepositions";
/** Words that no comment begins with, by kind. */
export const openers: Readonly<Record<OpenerKind, readonly string[]>>;
export function firstWord(comment: string): string | undefined;
export function kindOfOpener(comment: string): OpenerKind | undefined;
