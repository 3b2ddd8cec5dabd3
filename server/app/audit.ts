// The audit log: a line of JSON for each change that a client requests, with its outcome.

import type { DeleteRangeRequest, RawTxnResponse, RequestOp, TxnRequest } from "../../proto/index.js";
import { AlarmRequest_AlarmAction as Action } from "../../proto/index.js";
import { type LeaseId, leaseIdFrom, StoreError } from "../../store/index.js";
import { type Caller, errorText, formatId, ServerError, type ServerErrorCode } from "../base/index.js";
import type { Application, Operation, OperationName, Operations } from "./application.js";
import { wrapOperations } from "./wrap-operations.js";

/** Accepts lines; `AppendFile` implements it. */
export interface AuditSink {
  /** @returns false: the line is dropped */
  append(line: string): boolean;
}

/** Bytes of a key that are logged. A longer key is cut, and its length logged. */
const maxKeyBytes = 1_024;
/** Changes of a transaction that are logged. A larger transaction is logged with its number of changes. */
const maxTxnChanges = 64;

type Fields = Readonly<Record<string, unknown>>;

/** The logged fields of each kind of change. Undefined: the operation changes nothing. */
const descriptions: {
  readonly [Name in OperationName]?: (request: Operations[Name]["request"]) => Fields | undefined;
} = {
  put: ({ key, value, lease }) => ({
    ...keyField("key", key),
    valueBytes: value.length,
    ...leaseField(leaseIdFrom(lease)),
  }),
  deleteRange: (request) => rangeFields(request),
  txn: (request) => txnFields(request),
  compact: ({ revision }) => ({ compactRevision: String(revision) }),
  leaseGrant: ({ ID, TTL }) => ({ ...leaseField(leaseIdFrom(ID)), ttl: String(TTL) }),
  leaseRevoke: ({ ID }) => leaseField(leaseIdFrom(ID)),
  alarm: ({ action, memberID, alarm }) =>
    action === Action.GET ? undefined : { action, member: formatId(memberID), alarm },
  moveLeader: ({ targetID }) => ({ target: formatId(targetID) }),
  authEnable: () => ({}),
  authDisable: () => ({}),
  userAdd: ({ name, options }) => ({ name, ...(options?.noPassword === true ? { noPassword: true } : {}) }),
  userDelete: ({ name }) => ({ name }),
  userChangePassword: ({ name }) => ({ name }),
  userGrantRole: ({ user, role }) => ({ name: user, role }),
  userRevokeRole: ({ name, role }) => ({ name, role }),
  roleAdd: ({ name }) => ({ role: name }),
  roleDelete: ({ role }) => ({ role }),
  roleGrantPermission: ({ name, perm }) => ({
    role: name,
    ...(perm === undefined
      ? {}
      : { permission: permissionNames[perm.permType] ?? perm.permType, ...rangeFields(perm) }),
  }),
  roleRevokePermission: (request) => ({ role: request.role, ...rangeFields(request) }),
};

const permissionNames: readonly string[] = ["READ", "WRITE", "READWRITE"];

/** Errors after which the outcome is unknown: the change may have been made. */
const unknownOutcomes = new Set<ServerErrorCode>(["timed-out", "leader-lost", "connection-lost", "server-stopped"]);

/**
 * Writes a line for each change to a sink. A request never waits for its line: lines that the sink drops are counted, and the
 * next accepted line has the count.
 */
export class AuditLog {
  private lost = 0;

  /** @param userOf returns the user of a caller, if no wait is needed for it */
  constructor(
    private readonly sink: AuditSink,
    private readonly timestamp: () => string,
    private readonly userOf: (caller: Caller) => string | undefined,
  ) {}

  /** Returns an application that logs each change. */
  wrap(inner: Application): Application {
    return {
      ...inner,
      ...wrapOperations(inner, (operation, name) => {
        const describe = descriptions[name];
        return describe === undefined ? operation : this.auditOperation(operation, name, describe);
      }),
    };
  }

  private auditOperation<Name extends OperationName>(
    operation: Operation<Name>,
    name: Name,
    describe: (request: Operations[Name]["request"]) => Fields | undefined,
  ): Operation<Name> {
    return (caller, request, handler) => {
      const what = describe(request);
      if (what === undefined) return operation(caller, request, handler);
      const known = this.userOf(caller); // read before the change, which may revoke the caller's token
      const write = (outcome: Fields): void =>
        this.write({ ...headOf(caller, known ?? this.userOf(caller) ?? "", name, what), ...outcome });
      const onError = (error: unknown): void => write(failureFields(error));
      try {
        operation(caller, request, {
          onResult: (result) => {
            write({ outcome: "ok", ...resultFields(result) });
            handler.onResult(result);
          },
          onError: (error) => {
            onError(error);
            handler.onError(error);
          },
        });
      } catch (error) {
        onError(error);
        throw error;
      }
    };
  }

  private write(fields: Fields): void {
    const missing = this.lost === 0 ? {} : { lostLines: this.lost };
    const line = JSON.stringify({ ts: this.timestamp(), ...fields, ...missing });
    if (this.sink.append(`${line}\n`)) this.lost = 0;
    else this.lost++;
  }
}

const headOf = (caller: Caller, user: string, operation: string, what: Fields): Fields => ({
  user,
  remote: caller.remoteAddress ?? "",
  operation,
  ...what,
});

const failureFields = (error: unknown): Fields => {
  const isKnown = error instanceof ServerError ? !unknownOutcomes.has(error.code) : error instanceof StoreError;
  return { outcome: isKnown ? "refused" : "unknown", error: errorText(error) };
};

const resultFields = (result: unknown): Fields => {
  const { revision, response } = (result ?? {}) as { revision?: number; response?: Partial<RawTxnResponse> };
  return { ...(revision === undefined ? {} : { revision }), ...succeededField(response) };
};

const succeededField = (response: Partial<RawTxnResponse> | undefined): Fields =>
  response?.succeeded === undefined ? {} : { succeeded: response.succeeded };

/** Returns a key as text if it is UTF-8, else in base64 under another field name; cut at `maxKeyBytes`. */
const keyField = (name: string, key: Uint8Array): Fields => {
  const shown = key.subarray(0, maxKeyBytes);
  const cut = key.length > maxKeyBytes ? { [`${name}Bytes`]: key.length } : {};
  const text = Buffer.from(shown).toString();
  if (Buffer.from(text).equals(shown)) return { [name]: text, ...cut };
  return { [`${name}Base64`]: Buffer.from(shown).toString("base64"), ...cut };
};

const leaseField = (lease: LeaseId): Fields => (lease === 0n ? {} : { lease: formatId(lease) });

const rangeFields = ({ key, rangeEnd }: Pick<DeleteRangeRequest, "key" | "rangeEnd">): Fields => ({
  ...keyField("key", key),
  ...(rangeEnd.length === 0 ? {} : keyField("rangeEnd", rangeEnd)),
});

/** Returns the changes of both branches; undefined if there are none. `succeeded` of the result names the executed branch. */
const txnFields = (request: TxnRequest): Fields | undefined => {
  const success = changesOf(request.success);
  const failure = changesOf(request.failure);
  const changes = success.length + failure.length;
  if (changes === 0) return undefined;
  const kept = success.slice(0, maxTxnChanges);
  return { changes, success: kept, failure: failure.slice(0, maxTxnChanges - kept.length) };
};

const changesOf = (operations: readonly RequestOp[]): Fields[] =>
  operations.flatMap(({ request }): Fields[] => {
    if (request?.$case === "requestPut")
      return [{ put: { ...keyField("key", request.value.key), valueBytes: request.value.value.length } }];
    if (request?.$case === "requestDeleteRange") return [{ deleteRange: rangeFields(request.value) }];
    if (request?.$case !== "requestTxn") return [];
    const nested = txnFields(request.value);
    return nested === undefined ? [] : [{ txn: nested }];
  });
