import { setTimeout as delay } from "node:timers/promises";
import { cpuMs, residentMb, whenIdle } from "./process-usage.js";
import { format, printTable } from "./report.js";
import { Scope } from "./scope.js";
import { findServers, createMembers, pidsOf } from "./servers.js";

const watchMs = 10_000;

/** Measures CPU time and memory of idle members. */
export const measureIdle = async (): Promise<void> => {
  await using scope = new Scope();
  const members: { readonly label: string; readonly pid: number; before?: number | undefined }[] = [];
  for (const server of findServers()) {
    const cluster = scope.use(await createMembers(server));
    await cluster.start();
    for (const [n, pid] of pidsOf(cluster).entries()) members.push({ label: `${server.label}, member ${n + 1}`, pid });
  }
  await whenIdle(members.map(({ pid }) => pid));
  for (const member of members) member.before = cpuMs(member.pid);
  await delay(watchMs);
  const rows = members.map(({ label, pid, before }) => {
    const after = cpuMs(pid);
    const share = before === undefined || after === undefined ? undefined : ((after - before) / watchMs) * 100;
    return [label, format(share, 1), format(residentMb(pid))];
  });
  console.log(`Over ${watchMs / 1_000} s without requests.\n`);
  printTable(["", "CPU %", "RSS MB"], rows, 1);
};
