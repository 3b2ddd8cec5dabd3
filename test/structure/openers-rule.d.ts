import type { Rule } from "eslint";
export const openersRule: Rule.RuleModule;
