import type { Clock } from "../../../platform/index.js";
import { statusCode, type GrpcStatus, type Method } from "../../rpc/index.js";
import { DeadlineWheel } from "./deadline-wheel.js";
import { maxPartialBytesOfAll } from "./limits.js";
import { OpenCount } from "./open-count.js";

/** The components that all calls of an engine share. */
export class CallContext {
  readonly methods: ReadonlyMap<string, Method>;
  private readonly services: ReadonlySet<string>;
  readonly deadlines: DeadlineWheel;
  /** Unary calls in progress. */
  readonly calls = new OpenCount();
  private partialBytes = 0;

  constructor(
    methods: readonly Method[],
    readonly maxMessageBytes: number,
    readonly clock: Clock,
    readonly onUnexpectedError: (error: unknown) => void,
  ) {
    this.methods = new Map(methods.map((method) => [method.path, method]));
    this.services = new Set(methods.map(({ path }) => path.slice(1, path.lastIndexOf("/"))));
    this.deadlines = new DeadlineWheel(clock);
  }

  /** Returns the status of a path without a method, with the text of grpc-go. */
  unknownMethod(path: string): GrpcStatus {
    const slash = path.lastIndexOf("/");
    if (slash < 1) return { code: statusCode.unimplemented, details: `malformed method name: ${JSON.stringify(path)}` };
    const service = path.slice(1, slash);
    const details = this.services.has(service)
      ? `unknown method ${path.slice(slash + 1)} for service ${service}`
      : `unknown service ${service}`;
    return { code: statusCode.unimplemented, details };
  }

  takePartial(bytes: number): boolean {
    if (this.partialBytes > 0 && this.partialBytes + bytes > maxPartialBytesOfAll) return false;
    this.partialBytes += bytes;
    return true;
  }

  givePartialBack(bytes: number): void {
    this.partialBytes -= bytes;
  }
}
