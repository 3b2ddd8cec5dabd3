import type { Method, MethodStats } from "../rpc/index.js";
import { counter, type Family, histogram, type Labels, type NumberSample } from "./family.js";

/** The names of status codes, by number, as in grpc-go. */
const codeNames = [
  ...["OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists"],
  ...["PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented"],
  ...["Internal", "Unavailable", "DataLoss", "Unauthenticated"],
];

/** The calls of each method, with the names of go-grpc-prometheus; and the bytes of all methods together. */
export const grpcFamilies = (methods: readonly Method[]): Family[] => {
  const labelled = methods.map((method) => ({ ...labelsOf(method), stats: method.stats }));
  const each = (read: (stats: MethodStats) => number): NumberSample[] =>
    labelled.map(({ labels, stats }) => ({ labels, value: read(stats) }));
  const sum = (read: (stats: MethodStats) => number): number =>
    methods.reduce((total, { stats }) => total + read(stats), 0);
  const handled = labelled.flatMap(({ byCode, stats }) =>
    byCode.map((labels, code) => ({ labels, value: Number(stats.handled[code]) })),
  );
  const families = [
    counter(
      "grpc_server_started_total",
      "Total number of RPCs started on the server.",
      each(({ started }) => started),
    ),
    counter(
      "grpc_server_handled_total",
      "Total number of RPCs completed on the server, regardless of success or failure.",
      handled,
    ),
    counter(
      "grpc_server_msg_received_total",
      "Total number of RPC stream messages received on the server.",
      each(({ received }) => received),
    ),
    counter(
      "grpc_server_msg_sent_total",
      "Total number of gRPC stream messages sent by the server.",
      each(({ sent }) => sent),
    ),
    counter(
      "etcd_network_client_grpc_received_bytes_total",
      "The total number of bytes received from grpc clients.",
      sum(({ receivedBytes }) => receivedBytes),
    ),
    counter(
      "etcd_network_client_grpc_sent_bytes_total",
      "The total number of bytes sent to grpc clients.",
      sum(({ sentBytes }) => sentBytes),
    ),
  ];
  const handling = labelled.flatMap(({ labels, stats: { handlingSeconds } }) =>
    handlingSeconds === undefined ? [] : [{ labels, histogram: handlingSeconds }],
  );
  if (handling.length === 0) return families; // --metrics=basic
  const help = "Histogram of response latency (seconds) of gRPC that had been application-level handled by the server.";
  return [...families, histogram("grpc_server_handling_seconds", help, handling)];
};

/** The labels of a method's calls: of all, and by status code. */
interface MethodLabels {
  readonly labels: Labels;
  readonly byCode: readonly Labels[];
}

const keptLabels = new WeakMap<Method, MethodLabels>();

/** Returns the same objects at each scrape, so that their texts are formatted once. */
const labelsOf = (method: Method): MethodLabels => {
  const kept = keptLabels.get(method);
  if (kept !== undefined) return kept;
  const [, grpc_service = "", grpc_method = ""] = method.path.split("/");
  const labels = { grpc_method, grpc_service, grpc_type: typeOf(method) };
  const made = { labels, byCode: codeNames.map((grpc_code) => ({ grpc_code, ...labels })) };
  keptLabels.set(method, made);
  return made;
};

const typeOf = (method: Method): string => {
  switch (method.kind) {
    case "unary":
      return "unary";
    case "server-stream":
      return "server_stream";
    case "bidi":
      return "bidi_stream";
    case "unimplemented":
      if (method.requestStream) return method.responseStream ? "bidi_stream" : "client_stream";
      return method.responseStream ? "server_stream" : "unary";
  }
};
