// A name resolver for grpc-js: `etcd:///web` resolves to the instances of the service `web`.
import type * as GrpcJs from "@grpc/grpc-js";
import type { ServiceEndpoint } from "./registry.js";

/** The client whose services are resolved. */
export interface ResolverClient {
  resolve(
    service: string,
    options: { readonly signal: AbortSignal },
  ): AsyncGenerator<readonly ServiceEndpoint[], void, void>;
}

/** Pause after a failure, before the service is resolved again. */
const pauseMs = 1_000;

/**
 * Makes grpc-js resolve `<scheme>:///<service>` by the registry of a client. Call it once in a process, before the first channel;
 * the scheme belongs to this client from then on.
 *
 * Without instances, calls wait for one until their deadline, with the policy `round_robin`. With `pick_first`, grpc-js 1.14 goes on
 * using an open connection to an instance that is not registered any more.
 *
 * @param grpc the program's own `@grpc/grpc-js`
 */
export function registerGrpcResolver(grpc: typeof GrpcJs, client: ResolverClient, scheme = "etcd"): void {
  const { registerResolver, splitHostPort, statusOrFromError, statusOrFromValue } = grpc.experimental;

  class EtcdResolver implements GrpcJs.experimental.Resolver {
    private readonly ending = new AbortController();
    private hasStarted = false;

    constructor(
      private readonly target: GrpcJs.experimental.GrpcUri,
      private readonly listener: GrpcJs.experimental.ResolverListener,
    ) {}

    static getDefaultAuthority({ path }: GrpcJs.experimental.GrpcUri): string {
      return serviceOf(path);
    }

    /** Starts resolving. Updates then follow without further calls. */
    updateResolution(): void {
      if (this.hasStarted) return;
      this.hasStarted = true;
      void this.follow(this.ending.signal);
    }

    destroy(): void {
      this.ending.abort();
    }

    private async follow(signal: AbortSignal): Promise<void> {
      while (!signal.aborted) {
        try {
          for await (const endpoints of client.resolve(serviceOf(this.target.path), { signal })) this.tell(endpoints);
        } catch (error) {
          const details = `Cannot resolve ${this.target.path}: ${(error as Error).message}`;
          if (!this.ending.signal.aborted)
            this.listener(statusOrFromError({ code: grpc.status.UNAVAILABLE, details }), {}, null, details);
          await new Promise((resume) => setTimeout(resume, pauseMs).unref());
        }
      }
    }

    private tell(endpoints: readonly ServiceEndpoint[]): void {
      const found = endpoints.flatMap(({ address }) => {
        const { host, port } = splitHostPort(address) ?? {};
        return host === undefined || port === undefined ? [] : [{ addresses: [{ host, port }] }];
      });
      // An empty list, too, is a value: with an error, channels would go on sending to the last instances, which are gone.
      this.listener(statusOrFromValue(found), {}, null, `${found.length} instances of ${serviceOf(this.target.path)}`);
    }
  }

  registerResolver(scheme, EtcdResolver);
}

const serviceOf = (path: string): string => path.replace(/^\//, "");
