import { ServerReflectionRequest, ServerReflectionResponse } from "../../proto/index.js";
import { type Caller, maxReflectionsPerStream, ServerError } from "../base/index.js";
import { bidi, type Method, type RequestSink, type ResponseStream, RpcError, statusCode } from "../rpc/index.js";
import { encodeWithImports, FileDescriptors } from "./file-descriptors.js";

type ReflectionAnswer = NonNullable<ServerReflectionResponse["messageResponse"]>;

/**
 * gRPC's server reflection, which etcd does not have: programs such as grpcurl learn etcd's services and messages from the
 * member. The messages of v1 and v1alpha are the same; only v1 is listed.
 *
 * @param check throws to refuse a caller, as for requests of health
 * @see gRPC, server reflection protocol
 */
export const reflectionMethods = (check: (caller: Caller) => void): Method[] => {
  let known: FileDescriptors | undefined;
  const descriptors = (): FileDescriptors => (known ??= new FileDescriptors()); // built on the first request: most members get none
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

/** A reflection stream; each request is answered at once. */
class ReflectionStream implements RequestSink<ServerReflectionRequest> {
  /** Number of untaken answers. */
  private untaken = 0;

  constructor(
    private readonly descriptors: () => FileDescriptors,
    private readonly stream: ResponseStream<ServerReflectionResponse>,
  ) {
    stream.onDrain(() => (this.untaken = 0));
  }

  /** @throws RpcError for an empty request; ServerError if too many answers are untaken: the stream ends */
  onRequest(request: ServerReflectionRequest): void {
    if (this.untaken >= maxReflectionsPerStream)
      throw new ServerError("too-many-requests", `${maxReflectionsPerStream} answers of one stream are unread`);
    const messageResponse = answerTo(request, this.descriptors());
    if (!this.stream.send({ validHost: request.host, originalRequest: request, messageResponse })) this.untaken += 1;
  }

  onHalfClose(): void {
    this.stream.end();
  }

  onClosed(): void {
    // The stream holds no resources.
  }
}

const answerTo = ({ messageRequest }: ServerReflectionRequest, descriptors: FileDescriptors): ReflectionAnswer => {
  switch (messageRequest?.$case) {
    case "listServices": {
      const service = descriptors.listServices().map((name) => ({ name }));
      return { $case: "listServicesResponse", value: { service } };
    }
    case "fileByFilename":
      return fileAnswer(descriptors.findFile(messageRequest.value), messageRequest.value);
    case "fileContainingSymbol":
      return fileAnswer(descriptors.fileOf(messageRequest.value), messageRequest.value);
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

const fileAnswer = (file: Parameters<typeof encodeWithImports>[0] | undefined, asked: string): ReflectionAnswer =>
  file === undefined
    ? notFoundAnswer(asked)
    : { $case: "fileDescriptorResponse", value: { fileDescriptorProto: encodeWithImports(file) } };

const notFoundAnswer = (what: string): ReflectionAnswer => ({
  $case: "errorResponse",
  value: { errorCode: statusCode.notFound, errorMessage: `not found: ${what}` },
});
