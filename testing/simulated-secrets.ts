import type { Passwords } from "../server/auth/index.js";
import type { Secrets } from "../server/member/index.js";
import { sameThreadPasswords } from "./same-thread-passwords.js";

/**
 * Makes the secrets of a simulated member: passwords hashed in the same thread, and tokens, from the member's randomness. None of
 * it is used before the first user has a password.
 */
export const simulatedSecrets = (random: () => number): Secrets => {
  let made: Passwords | undefined;
  const passwords = (): Passwords => (made ??= sameThreadPasswords(random));
  return {
    passwords: {
      hash: (password) => passwords().hash(password),
      verify: (password, hash) => passwords().verify(password, hash),
      close: () => undefined,
    },
    randomBelow: (bound) => Math.floor(random() * bound),
  };
};
