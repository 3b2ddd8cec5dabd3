import { performance } from "node:perf_hooks";
import { expose } from "./exposition.js";
import type { Family } from "./family.js";
import { grpcFamilies } from "./grpc-families.js";
import type { MeasuredMember } from "./measured.js";
import { peerFamilies } from "./peer-families.js";
import { processFamilies } from "./process-families.js";
import { serverFamilies } from "./server-families.js";
import { storeFamilies } from "./store-families.js";

/** Returns the current metrics of a member. */
export const familiesOf = async (member: MeasuredMember): Promise<Family[]> => {
  const { replica, methods } = member;
  const [size, ofProcess] = await Promise.all([replica.store.size(), processFamilies()]);
  return [
    ...serverFamilies(member),
    ...storeFamilies(member, size, performance.timeOrigin + performance.now()),
    ...peerFamilies(replica),
    ...grpcFamilies(methods),
    ...ofProcess,
  ].sort((a, b) => (a.name < b.name ? -1 : 1));
};

/** Returns the metrics of a member in the text format of Prometheus. */
export const metricsText = async (member: MeasuredMember): Promise<string> => expose(await familiesOf(member));
