// Words that a doc comment does not begin with: it begins with a verb or an article, and names its subject.

/** `riddles` are forbidden by lint; all kinds are counted by `npm run check`. */
export const openers = {
  riddles: ["What", "Who", "Whose", "Where", "It", "Those", "So", "Of"],
  pronouns: [
    ...["Which", "That", "When", "How", "Why", "Whom", "Whoever", "Whatever", "Whenever", "Wherever", "As", "Such"],
    ...["They", "Them", "He", "She", "We", "You", "This", "These", "Its", "Their", "One", "Ones", "Another", "Others"],
    ...["Anybody", "Everybody", "Nobody", "Somebody", "Anything", "Everything", "Nothing", "Something"],
  ],
  prepositions: [
    ...[
      "About",
      "Above",
      "Across",
      "After",
      "Against",
      "Among",
      "At",
      "Before",
      "Behind",
      "Below",
      "Beside",
      "Besides",
    ],
    ...["Between", "Beyond", "By", "During", "For", "From", "In", "Inside", "Into", "Like", "On", "Onto", "Out"],
    ...[
      "Outside",
      "Over",
      "Since",
      "Through",
      "To",
      "Under",
      "Until",
      "Up",
      "Upon",
      "Via",
      "With",
      "Within",
      "Without",
    ],
    ...["And", "But", "Or", "If", "Unless", "Because", "While"],
  ],
};

const kinds = new Map(Object.entries(openers).flatMap(([kind, words]) => words.map((word) => [word, kind])));

/**
 * Returns the first word of a comment's text.
 *
 * @param {string} comment with or without its delimiters
 * @returns {string | undefined} undefined: it does not begin with a word, but with a tag or code
 */
export const firstWord = (comment) => /^(?:\/\*\*|\/\/)?[\s*]*([A-Za-z]+)/.exec(comment)?.[1];

/**
 * Tells in which list the first word of a comment is.
 *
 * @param {string} comment as `firstWord` takes it
 * @returns {string | undefined} undefined: in none
 */
export const kindOfOpener = (comment) => kinds.get(firstWord(comment) ?? "");
