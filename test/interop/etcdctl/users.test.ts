// The same command lines about users and roles for etcdctl 3.7 and minietcdctl, on etcd 3.7 and minietcd: all four outputs are equal.
// Likewise for etcdctl 3.4, whose output differs, on etcd 3.4 and minietcd.

import { describe, test } from "node:test";
import { assertAlike, playOn } from "./compare.js";
import { etcdctl, minietcdctl, olderEtcdctl } from "./ctl.js";
import { readScript } from "./script.js";

/** Time is not compared: passwords have the cheapest hash. */
const flags = ["--bcrypt-cost=4"];

/** Returns the steps of a script, with a longer dial timeout: a login happens within it, and hashing takes the server some time. */
const stepsOf = (name: string) =>
  readScript(name).map((step) => ({ ...step, env: { ETCDCTL_DIAL_TIMEOUT: "30s", ...step.env } }));

/** Lines with other answers on etcd 3.4 than on 3.7: intervals may end before they begin, all users may compact, root lists no rights. */
const newer: ReadonlySet<string> = new Set([
  "role grant-permission reader read z a",
  "--user alice:pw compaction 2",
  "--user root:rootpw role get root",
]);

describe("the commands of users.txt", { concurrency: true }, () => {
  const steps = stepsOf("users.txt");
  const expected = playOn("etcd-3.7", 1, etcdctl(), steps, flags);
  expected.catch(() => undefined); // each test that awaits it reports the failure

  test("minietcdctl on etcd 3.7 prints what etcdctl 3.7 prints", async () => {
    assertAlike(await playOn("etcd-3.7", 1, minietcdctl, steps, flags), await expected);
  });
  test("etcdctl 3.7 prints on minietcd what it prints on etcd 3.7", async () => {
    assertAlike(await playOn("minietcd", 1, etcdctl(), steps, flags), await expected);
  });
  test("minietcdctl prints on minietcd what etcdctl 3.7 prints on etcd 3.7", async () => {
    assertAlike(await playOn("minietcd", 1, minietcdctl, steps, flags), await expected);
  });
  test("etcdctl 3.4 prints on minietcd what it prints on etcd 3.4", async () => {
    const common = steps.filter(({ line }) => !newer.has(line));
    const kinds = ["minietcd", "etcd"] as const;
    const [outcomes, others] = await Promise.all(kinds.map((kind) => playOn(kind, 1, olderEtcdctl, common, flags)));
    assertAlike(outcomes!, others!);
  });
});
