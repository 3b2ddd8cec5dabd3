// No process that a test starts outlives the tests, however they end: by themselves, by an error, by a signal, by kill -9.

import { spawn, type ChildProcess } from "node:child_process";
import type { Writable } from "node:stream";

/** Reads `+ pid` and `- pid`. Its input ends with the process that started it; then it kills the pids that are left. */
const reaperScript = `
pids=" "
while read -r change pid; do
  case $change in
    +) pids="$pids$pid " ;;
    -) case $pids in *" $pid "*) pids="\${pids%%" $pid "*} \${pids#*" $pid "}" ;; esac ;;
  esac
done
for pid in $pids; do kill -KILL "$pid"; done
`;

let reaperInput: Writable | undefined;
const alive = new Set<number>();

/** Started with the first process that there is to end. */
const reaper = (): Writable => {
  if (reaperInput !== undefined) return reaperInput;
  // Its own process group: a Ctrl-C does not reach it. It keeps nobody from ending.
  const child = spawn("sh", ["-c", reaperScript], { detached: true, stdio: ["pipe", "ignore", "ignore"] });
  child.unref();
  reaperInput = child.stdin;
  (child.stdin as Writable & { unref(): void }).unref();
  child.stdin.on("error", () => undefined);
  process.once("exit", () => {
    for (const pid of alive) killIfAlive(pid);
  });
  return reaperInput;
};

const killIfAlive = (pid: number): void => {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it has just ended
  }
};

/**
 * Kills the process when this one ends, if nobody has called the returned function, which is for when it has ended: its
 * number may then become another's.
 */
export const endPidWithTests = (pid: number): (() => void) => {
  reaper().write(`+ ${pid}\n`);
  alive.add(pid);
  return () => {
    if (alive.delete(pid)) reaper().write(`- ${pid}\n`);
  };
};

/** Kills a child when this process ends. To be called at once after it is spawned. */
export const endWithTests = <Child extends ChildProcess>(child: Child): Child => {
  if (child.pid !== undefined) child.once("exit", endPidWithTests(child.pid));
  return child;
};
