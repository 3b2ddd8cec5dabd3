// Users and their rights: the replicated state, its rules, passwords, tokens.

export { AuthState } from "./auth-state.js";
export { readAuthRows } from "./auth-rows.js";
export { BcryptThread, threadPasswords } from "./bcrypt-thread.js";
export type { Identity, TokenSource } from "./identity.js";
export { JwtTokens } from "./jwt-tokens.js";
export { type KeyRange, keyText } from "./key-range.js";
export { root } from "./names.js";
export { BcryptPasswords, type Bcrypt, type Passwords } from "./passwords.js";
export { type LeasedKeys, Rights } from "./rights.js";
export { dropReplacedTokens, indexOfToken, SimpleTokens, type SimpleTokensOptions } from "./simple-tokens.js";
