import { runSeed, type Task } from "./run-seeds.js";

process.on("message", (task: Task) => {
  void runSeed(task.seed, task).then((report) => process.send?.(report));
});
