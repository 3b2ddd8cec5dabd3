// minietcdctl alarm list, disarm
import { Command } from "commander";
import type { AlarmMember } from "../../../client/index.js";
import { exitCodes, Failure, type Io } from "../args/index.js";
import { withSession } from "./session.js";

/** Declares `alarm list`, with its help. */
export const alarmListCommand = (): Command =>
  new Command("list")
    .description("Lists the active alarms of all members")
    .addHelpText("after", "\nExample:\n  $ minietcdctl alarm list");

/** Declares `alarm disarm`, with its help. */
export const alarmDisarmCommand = (): Command =>
  new Command("disarm")
    .description("Deactivates all alarms, and prints them")
    .addHelpText("after", "\nExample:\n  $ minietcdctl alarm disarm");

/** Lists the active alarms of all members. */
export async function runAlarmList(command: Command, io: Io): Promise<void> {
  refuseArguments(command);
  await withSession(command, io, async ({ client, printer, limits }) => {
    printer.alarms(await client.maintenance.alarmList(limits));
  });
}

/** Deactivates every active alarm. */
export async function runAlarmDisarm(command: Command, io: Io): Promise<void> {
  refuseArguments(command);
  await withSession(command, io, async ({ client: { maintenance }, printer, limits }) => {
    const disarmed: AlarmMember[] = [];
    for (const alarm of (await maintenance.alarmList(limits)).alarms)
      disarmed.push(...(await maintenance.alarmDisarm(alarm, limits)).alarms);
    printer.alarms({ header: undefined, alarms: disarmed }); // the answers are several, with a header each; etcdctl prints none
  });
}

function refuseArguments(command: Command): void {
  if (command.args.length === 0) return;
  throw new Failure(exitCodes.badArguments, `alarm ${command.name()} command accepts no arguments`);
}
