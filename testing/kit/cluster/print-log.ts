import type { TestBase } from "./test-base.js";

/**
 * Runs the body of a test. If the body fails, prints the last log lines of the members to standard error.
 *
 *     test("a greeting is kept", async () => {
 *       await using server = await startTestServer();
 *       await printLogOnFailure(server, async () => {
 *         await server.client().kv.put("greeting", "hello");
 *       });
 *     });
 *
 * @param print called with each line
 */
export const printLogOnFailure = async <T>(
  server: Pick<TestBase, "log">,
  body: () => Promise<T>,
  print: (line: string) => void = (line) => console.error(line),
): Promise<T> => {
  try {
    return await body();
  } catch (error) {
    for (const line of server.log()) print(line);
    throw error;
  }
};
