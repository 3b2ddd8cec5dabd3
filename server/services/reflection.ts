import type { DescFile } from "@bufbuild/protobuf";
import { ServerReflectionRequest, ServerReflectionResponse } from "../../proto/index.js";
import { type Caller, maxReflectionsPerStream, ServerError } from "../base/index.js";
import { bidi, type Method, type RequestSink, type ResponseStream, RpcError, statusCode } from "../rpc/index.js";
import type { FileDescriptors } from "./file-descriptors.js";

type ReflectionAnswer = NonNullable<ServerReflectionResponse["messageResponse"]>;

/**
 * gRPC's server reflection, which etcd does not have: programs such as grpcurl learn etcd's services and messages from the
 * member. The messages of v1 and v1alpha are the same; only v1 is listed.
 *
 * @param check throws to refuse a caller, as for requests of health
 * @see gRPC, server reflection protocol
 */
export const reflectionMethods = (check: (caller: Caller) => void): Method[] => {
  const descriptors = new LazyDescriptors();
  return ["v1", "v1alpha"].map((version) =>
    bidi(
      `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
      ServerReflectionRequest,
      ServerReflectionResponse,
      (call, stream) => {
        check(call);
        return new ReflectionStream(descriptors, stream);
      },
    ),
  );
};

/** The descriptors, and their code, are loaded for the first request: most members get none, and start earlier. */
class LazyDescriptors {
  private whenLoaded: Promise<FileDescriptors> | undefined;

  /** Resolves to the descriptors. After an error, such as too many open files, the next call loads them again. */
  load(): Promise<FileDescriptors> {
    return (this.whenLoaded ??= this.create());
  }

  private async create(): Promise<FileDescriptors> {
    try {
      const { FileDescriptors } = await import("./file-descriptors.js");
      return new FileDescriptors();
    } catch (error) {
      this.whenLoaded = undefined;
      throw error;
    }
  }
}

/** A reflection stream; the requests are answered in their order. */
class ReflectionStream implements RequestSink<ServerReflectionRequest> {
  /** The number of requests that wait for the descriptors, and of untaken answers. */
  private pending = 0;
  private untaken = 0;
  private isClosed = false;
  /** Resolves once all earlier requests are answered. */
  private whenAnswered: Promise<void> = Promise.resolve();

  constructor(
    private readonly descriptors: LazyDescriptors,
    private readonly stream: ResponseStream<ServerReflectionResponse>,
  ) {
    stream.setDrainListener(() => (this.untaken = 0));
  }

  /** @throws ServerError if too many requests are pending or too many answers untaken: the stream ends */
  onRequest(request: ServerReflectionRequest): void {
    if (this.pending + this.untaken >= maxReflectionsPerStream)
      throw new ServerError(
        "too-many-requests",
        `${maxReflectionsPerStream} requests of one stream are unanswered, or their answers unread`,
      );
    this.pending += 1;
    this.inOrder((descriptors) => this.answer(request, descriptors));
  }

  onHalfClose(): void {
    this.inOrder(() => this.stream.endStream());
  }

  onClosed(): void {
    this.isClosed = true;
  }

  /** @throws RpcError for an empty request */
  private answer(request: ServerReflectionRequest, descriptors: FileDescriptors): void {
    this.pending -= 1;
    const messageResponse = answerTo(request, descriptors);
    if (!this.stream.send({ validHost: request.host, originalRequest: request, messageResponse })) this.untaken += 1;
  }

  /** Runs a step once the descriptors are loaded and the earlier steps have run; an error ends the stream. */
  private inOrder(step: (descriptors: FileDescriptors) => void): void {
    this.whenAnswered = this.whenAnswered
      .then(() => this.descriptors.load())
      .then((descriptors) => {
        if (!this.isClosed) step(descriptors);
      })
      .catch((error: unknown) => {
        this.isClosed = true;
        this.stream.fail(error);
      });
  }
}

const answerTo = ({ messageRequest }: ServerReflectionRequest, descriptors: FileDescriptors): ReflectionAnswer => {
  switch (messageRequest?.$case) {
    case "listServices": {
      const service = descriptors.listServices().map((name) => ({ name }));
      return { $case: "listServicesResponse", value: { service } };
    }
    case "fileByFilename":
      return fileAnswer(descriptors, descriptors.findFile(messageRequest.value), messageRequest.value);
    case "fileContainingSymbol":
      return fileAnswer(descriptors, descriptors.fileOf(messageRequest.value), messageRequest.value);
    case "fileContainingExtension":
      return notFoundAnswer(`extension of ${messageRequest.value.containingType}`);
    case "allExtensionNumbersOfType":
      return descriptors.hasMessage(messageRequest.value)
        ? {
            $case: "allExtensionNumbersResponse",
            value: { baseTypeName: messageRequest.value, extensionNumber: [] },
          }
        : notFoundAnswer(messageRequest.value);
    case undefined:
      throw new RpcError({ code: statusCode.invalidArgument, details: "a reflection request without a field" });
  }
};

const fileAnswer = (descriptors: FileDescriptors, file: DescFile | undefined, asked: string): ReflectionAnswer =>
  file === undefined
    ? notFoundAnswer(asked)
    : { $case: "fileDescriptorResponse", value: { fileDescriptorProto: descriptors.encodeWithImports(file) } };

const notFoundAnswer = (what: string): ReflectionAnswer => ({
  $case: "errorResponse",
  value: { errorCode: statusCode.notFound, errorMessage: `not found: ${what}` },
});
