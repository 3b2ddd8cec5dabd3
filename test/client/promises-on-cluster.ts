// The client's promises, each with a test on the same three real members, minietcd's or etcd's.

import { after, before, describe, test } from "node:test";
import type { Client } from "../../client/index.js";
import { electionFlags } from "../support/election-flags.js";
import { startEtcdCluster, type EtcdCluster, type ServerKind } from "../support/etcd-process.js";
import { patientClient } from "../support/patient-client.js";

/** Short timeouts make elections short. */
const flags = electionFlags({ heartbeatMs: 50, electionMs: 500 });

/** A promise, and the test that shows it. */
type ShownPromise = readonly [promise: string, run: (client: Client, cluster: EtcdCluster) => Promise<void>];

/** Declares a test of each promise, all on the same cluster. */
export const testPromises = (subject: string, kind: ServerKind, promises: readonly ShownPromise[]): void => {
  describe(`${subject} on three members of ${kind}`, () => {
    let cluster: EtcdCluster;
    let client: Client;
    before(async () => {
      cluster = await startEtcdCluster({ kind, members: 3, flags });
      client = patientClient({ endpoints: cluster.endpoints });
    });
    after(async () => {
      await client.close();
      await cluster[Symbol.asyncDispose]();
    });
    for (const [promise, run] of promises) test(promise, () => run(client, cluster));
  });
};
