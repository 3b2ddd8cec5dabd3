/** Whether a word is the name of a command other than starting a member. */
export const isCommand = (word: string | undefined): boolean => word === "cluster" || word === "verify";

/** Loads the commands other than starting a member. */
export const loadCommands = () => import("./commands.js");
