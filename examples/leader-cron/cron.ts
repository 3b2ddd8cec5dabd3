// A cron on several machines that runs each job on one machine: the elected leader runs the job, and claims each time in a
// transaction that requires the leadership.

import { LeaseLostError, type Client, type Leadership } from "../../client/index.js";

/** A job, and the times at which it runs. */
export interface CronJob {
  readonly name: string;
  /** Times that are the same on all machines, such as full minutes. They are buffered while another machine leads. */
  readonly times: AsyncIterable<Date>;
  readonly run: (time: Date) => void;
}

/** A machine that may run the job, until `stop` is aborted. */
export interface Machine {
  readonly name: string;
  readonly stop: AbortSignal;
}

/** Seconds after the death of a leader until the next leader continues. */
const ttlSeconds = 5;

/** Runs a job while this machine leads. The next leader also runs the times that a dead leader has missed. */
export async function runCron(client: Client, { name, times, run }: CronJob, machine: Machine): Promise<void> {
  let leadership: Leadership | undefined;
  try {
    for await (const time of times) {
      let outcome: Outcome = "not leader";
      while (outcome === "not leader") {
        if (leadership === undefined || leadership.lossSignal.aborted) leadership = await lead(client, name, machine);
        outcome = await claim(client, `/cron/${name}/times/${time.toISOString()}`, leadership);
        if (outcome === "not leader") leadership = undefined;
      }
      if (outcome === "claimed") run(time);
    }
  } catch (error) {
    if (!machine.stop.aborted) throw error;
  } finally {
    await leadership?.resign();
  }
}

type Outcome = "claimed" | "was claimed before" | "not leader";

/** Claims a time, unless a leader has claimed it already, or this machine does not lead any more. */
async function claim({ kv }: Client, key: string, { condition }: Leadership): Promise<Outcome> {
  const { succeeded } = await kv.txn({
    compare: [condition, { target: "createRevision", key, is: "=", than: 0 }],
    success: [{ op: "put", key, value: "" }],
  });
  if (succeeded) return "claimed";
  return (await kv.get(key)).count > 0 ? "was claimed before" : "not leader";
}

/** Waits until this machine leads. */
async function lead(client: Client, job: string, { name, stop }: Machine): Promise<Leadership> {
  for (;;) {
    try {
      return await client.election(`/cron/${job}/leader`).campaign(name, { ttlSeconds, signal: stop });
    } catch (error) {
      if (!(error instanceof LeaseLostError)) throw error;
    }
  }
}
