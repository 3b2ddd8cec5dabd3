// A rule for eslint: no doc comment, and no comment at the head of a file, begins with one of `openers.riddles`.
import { firstWord, kindOfOpener } from "./openers.js";

export const openersRule = {
  meta: {
    type: "suggestion",
    schema: [],
    messages: {
      opener: 'Begin the comment with a verb or an article, not with "{{word}}": say what this is or does.',
    },
  },
  create(context) {
    return {
      Program() {
        for (const comment of context.sourceCode.getAllComments()) {
          const isDoc = comment.type === "Block" && comment.value.startsWith("*");
          const isHead = comment.range[0] === 0 && comment.type !== "Shebang";
          if ((isDoc || isHead) && kindOfOpener(comment.value) === "riddles")
            context.report({ loc: comment.loc, messageId: "opener", data: { word: firstWord(comment.value) } });
        }
      },
    };
  },
};
