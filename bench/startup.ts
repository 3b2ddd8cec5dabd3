import { format, median, printTable } from "./report.js";
import { availableServers, createMembers } from "./servers.js";

const runs = 3;

/** Measures the time until three fresh members, and one that is restarted, answer a linearizable read. */
export const startup = async (): Promise<void> => {
  const rows: string[][] = [];
  for (const { kind, label } of availableServers()) {
    const fresh: number[] = [];
    const restarted: number[] = [];
    for (let run = 0; run < runs; run++) {
      await using cluster = await createMembers(kind);
      fresh.push(await timed(() => cluster.start()));
      const member = cluster.member(run % cluster.members.length);
      await member.stop("SIGKILL");
      restarted.push(await timed(() => member.restart()));
    }
    rows.push([label, format(median(fresh)), format(median(restarted))]);
  }
  console.log(`Medians of ${runs} runs.\n`);
  printTable(["", "three fresh members ready, ms", "one restarted after kill -9, ms"], rows, 1);
};

const timed = async (work: () => Promise<void>): Promise<number> => {
  const began = performance.now();
  await work();
  return performance.now() - began;
};
