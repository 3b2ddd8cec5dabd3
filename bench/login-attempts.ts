// Makes logins with wrong passwords, in a process of its own, a given number at a time.

import { AuthError, Client } from "../client/index.js";

/** The command of the benchmark. */
export interface LoginCommand {
  readonly kind: "begin";
  readonly endpoint: string;
  /** An existing user: half of the logins are of this user, half of unknown ones. */
  readonly user: string;
  readonly logins: number;
  readonly atOnce: number;
}

/** A message to the benchmark. */
export type LoginMessage =
  { readonly kind: "ready" } | { readonly kind: "done"; readonly seconds: number; readonly refused: number };

const timeoutMs = 120_000;

/** Logs in repeatedly over a connection of its own, while `next` allows it. @returns the number of refused logins */
const attempt = async (endpoint: string, user: string, next: () => boolean): Promise<number> => {
  const auth = { user, password: "wrong" };
  await using client = new Client({ endpoints: [endpoint], auth, requestTimeoutMs: timeoutMs });
  let refused = 0;
  while (next())
    try {
      await client.auth.login();
    } catch (error) {
      if (!(error instanceof AuthError) || error.reason !== "wrong-password") throw error;
      refused++;
    }
  return refused;
};

const run = async ({ endpoint, user, logins, atOnce }: LoginCommand): Promise<LoginMessage> => {
  let begun = 0;
  const next = (): boolean => begun++ < logins;
  const beganAt = performance.now();
  const refused = await Promise.all(
    Array.from({ length: atOnce }, (_, n) => attempt(endpoint, n % 2 === 0 ? user : `${user}${n}`, next)),
  );
  return {
    kind: "done",
    seconds: (performance.now() - beganAt) / 1_000,
    refused: refused.reduce((sum, count) => sum + count, 0),
  };
};

/** Runs only in the process that the benchmark forks. */
if (process.send !== undefined && process.argv[1]?.endsWith("login-attempts.ts")) {
  const tell = (message: LoginMessage): void => void process.send?.(message);
  process.once("disconnect", () => process.exit());
  process.on("message", (command: LoginCommand) => {
    void run(command).then(tell);
  });
  tell({ kind: "ready" });
}
