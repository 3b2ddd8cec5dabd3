// Simulations of a test's own code, which a seed makes repeatable, with random faults.

export {
  simulate,
  type SimulationClock,
  SimulationError,
  type SimulationOptions,
  type SimulationResult,
  type SimulationWorld,
} from "./simulate.js";
export type { FaultKind } from "./simulated-faults.js";
