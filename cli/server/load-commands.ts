/** Tells whether a word names a command beside starting a member. */
export const isCommand = (word: string | undefined): boolean => word === "cluster" || word === "verify";

/** Loads the commands beside starting a member. */
export const loadCommands = () => import("./commands.js");
