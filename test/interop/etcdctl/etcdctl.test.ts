// The same command lines for etcdctl 3.7 and minietcdctl, on etcd 3.7 and minietcd: all four outputs are equal. Likewise for etcdctl 3.4,
// whose requests and output differ, on etcd 3.4 and minietcd.

import { describe, test } from "node:test";
import { assertAlike, playOn } from "./compare.js";
import { etcdctl, minietcdctl, minietcdctlProcess, olderEtcdctl } from "./ctl.js";
import { readScript } from "./script.js";

const scripts = [
  { name: "one-member.txt", members: 1, ours: minietcdctl },
  { name: "watch-and-lease.txt", members: 1, ours: minietcdctl },
  { name: "three-members.txt", members: 3, ours: minietcdctl },
  { name: "built-program.txt", members: 1, ours: minietcdctlProcess },
  { name: "newer.txt", members: 1, ours: minietcdctl, older: false },
];

for (const { name, members, ours, older = true } of scripts)
  describe(name, { concurrency: true }, () => {
    const steps = readScript(name);
    const expected = playOn("etcd-3.7", members, etcdctl(), steps);
    expected.catch(() => undefined); // each test that awaits it reports the failure

    test("minietcdctl prints on etcd what etcdctl prints there", async () => {
      const outcomes = await playOn("etcd-3.7", members, ours, steps);
      assertAlike(outcomes, await expected);
    });
    test("etcdctl prints on minietcd what it prints on etcd", async () => {
      const outcomes = await playOn("minietcd", members, etcdctl(), steps);
      assertAlike(outcomes, await expected);
    });
    test("minietcdctl prints on minietcd what etcdctl prints on etcd", async () => {
      const outcomes = await playOn("minietcd", members, ours, steps);
      assertAlike(outcomes, await expected);
    });
    if (!older) return;
    test("etcdctl 3.4 prints on minietcd what it prints on etcd 3.4", async () => {
      const kinds = ["minietcd", "etcd"] as const;
      const [outcomes, others] = await Promise.all(kinds.map((kind) => playOn(kind, members, olderEtcdctl, steps)));
      assertAlike(outcomes!, others!);
    });
  });
