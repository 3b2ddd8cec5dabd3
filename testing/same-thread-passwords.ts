import { hashSync } from "bcryptjs";
import { BcryptPasswords, type Passwords } from "../server/auth/index.js";
import type { Secrets } from "../server/member/index.js";

/** The smallest cost of bcrypt: a hash takes one or two milliseconds. */
const cost = 4;

/** Hashes passwords in the thread of the caller, as virtual time requires, and with the caller's random numbers. */
export const sameThreadPasswords = (random: () => number): Passwords => {
  const bcrypt = {
    hash: (password: string, salt: string) => Promise.resolve(hashSync(password, salt)),
    close: () => undefined,
  };
  return new BcryptPasswords(bcrypt, cost, (count) =>
    Uint8Array.from({ length: count }, () => Math.floor(random() * 256)),
  );
};

/** The secrets of a simulated member, repeatable by a seed. `random` is not called before a password is hashed or a user logs in. */
export const makeSimulatedSecrets = (random: () => number): Secrets => ({
  passwords: sameThreadPasswords(random),
  randomBelow: (bound) => Math.floor(random() * bound),
});
