// The same command lines about users and roles for etcdctl 3.7 and minietcdctl, on etcd 3.7: both answer alike.

import { test } from "node:test";
import { assertAlike, playOn } from "./compare.js";
import { etcdctl, minietcdctl } from "./ctl.js";
import { readScript } from "./script.js";

test("users.txt: minietcdctl on etcd 3.7 prints what etcdctl 3.7 prints", async () => {
  // A login has the time for connecting, and passwords take the server some.
  const steps = readScript("users.txt").map((step) => ({ ...step, env: { ETCDCTL_DIAL_TIMEOUT: "30s", ...step.env } }));
  const [expected, outcomes] = await Promise.all([
    playOn("etcd-3.7", 1, etcdctl(), steps),
    playOn("etcd-3.7", 1, minietcdctl, steps),
  ]);
  assertAlike(outcomes, expected);
});
