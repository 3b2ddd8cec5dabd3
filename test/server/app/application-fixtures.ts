// The application of a member in this process, without ports and gRPC messages. Its data is in memory: no request waits for a busy disk.
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { ServerFlags } from "../../../server/config/config.js";
import { memberServices } from "../../../server/member/serving.js";
import { openReplica } from "../../../server/member/replica.js";
import { ProcessParts } from "../../../server/member/parts.js";
import { storageOf } from "../../../server/member/storage.js";
import { makeSimulatedSecrets } from "../../../testing/same-thread-passwords.js";
import { quietEnvironment, singleMember, temporaryDirectory } from "../member/member-fixtures.js";

/** Starts a single member without its client port. Resolves once it leads. */
export const startApplication = async (t: TestContext, flags: Partial<ServerFlags> = {}) => {
  const config = singleMember(await temporaryDirectory(t), {
    heartbeatInterval: "20",
    electionTimeout: "200",
    ...flags,
  });
  const environment = { ...quietEnvironment(), secrets: makeSimulatedSecrets(Math.random) };
  const replica = await openReplica(new ProcessParts(undefined, storageOf("memory")), config, environment, {
    onFailure: (error) => assert.fail(error),
    onStatusChange: () => undefined,
  });
  t.after(() => replica.close());
  await replica.publish({ name: config.member.name, clientUrls: [] });
  const { application } = memberServices(config, environment, replica);
  return { application, replica };
};
