// The worker thread that hashes passwords. JavaScript, because Node runs it from the sources, too; the build puts it, with
// its package, into the bundle.

import { parentPort } from "node:worker_threads";
import { hashSync } from "bcryptjs";

if (parentPort === null) throw new Error("this file is run as a worker");
const port = parentPort;

/** @param {{ password: string, salt: string }} job */
const hash = ({ password, salt }) => {
  try {
    return { hash: hashSync(password, salt) };
  } catch (error) {
    return { error: String(error) }; // the salt is invalid
  }
};

port.on("message", (job) => port.postMessage(hash(job)));
