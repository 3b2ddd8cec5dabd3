// Ends the processes that a test starts, however the tests end: normally, by an error, by a signal, by kill -9.

import { spawn, type ChildProcess } from "node:child_process";
import type { Writable } from "node:stream";

/** Reads lines `+ pid` and `- pid`. Its input ends with the process that started it; then it kills the remaining pids. */
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

/** Starts the reaper with the first pid that it is to kill. */
const reaper = (): Writable => {
  if (reaperInput !== undefined) return reaperInput;
  // The reaper has its own process group, so that Ctrl-C does not end it. It does not keep this process running.
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
    // the process has just ended
  }
};

/**
 * Kills the process when this one ends. The returned function cancels that: to be called when the process has ended, as its pid may be
 * reused.
 */
export const endPidWithTests = (pid: number): (() => void) => {
  reaper().write(`+ ${pid}\n`);
  alive.add(pid);
  return () => {
    if (alive.delete(pid)) reaper().write(`- ${pid}\n`);
  };
};

/** Kills a child when this process ends. Call it immediately after `spawn`. */
export const endWithTests = <Child extends ChildProcess>(child: Child): Child => {
  if (child.pid !== undefined) child.once("exit", endPidWithTests(child.pid));
  return child;
};
