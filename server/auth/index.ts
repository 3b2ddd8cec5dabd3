// Users and what they may do: passwords.

export { BcryptThread, threadPasswords } from "./bcrypt-thread.js";
export { BcryptPasswords, defaultBcryptCost, usableBcryptCost, type Bcrypt, type Passwords } from "./passwords.js";
