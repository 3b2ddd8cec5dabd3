// minietcdctl.

export { runProgram } from "./program.js";
