// Users of a member in this process, and their requests.
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { Permission_Type } from "../../../proto/index.js";
import type { Application, Operation, OperationName, Operations } from "../../../server/app/application.js";
import { resultOf } from "../../../server/app/result-of.js";
import { anonymousCaller, type Caller } from "../../../server/base/caller.js";
import { ServerError } from "../../../server/base/errors.js";
import { startApplication } from "./application-fixtures.js";

export const bytes = (text: string): Uint8Array => Buffer.from(text);
export const noBytes = new Uint8Array();
export const { READ, WRITE, READWRITE } = Permission_Type;

/** Returns a caller with a token. */
export const withToken = (token: string): Caller => ({
  ...anonymousCaller,
  metadata: (key) => (key === "token" ? token : undefined),
});

/** Calls an operation. */
export const ask = <Name extends OperationName>(
  application: Application,
  name: Name,
  caller: Caller,
  request: Operations[Name]["request"],
): Promise<Operations[Name]["result"]> => {
  const operations: { readonly [Each in OperationName]: Operation<Each> } = application;
  return resultOf(operations[name], caller, request);
};

/** Checks that a request is refused with a code. */
export const assertRefused = (promise: Promise<unknown>, code: string): Promise<void> =>
  assert.rejects(promise, (error) => {
    assert.ok(error instanceof ServerError, String(error));
    assert.equal(error.code, code);
    return true;
  });

/** A permission: type, key and range end. */
export type Granted = readonly [type: Permission_Type, key: string, rangeEnd?: string];

/** Starts a member with authentication on, and users with the permissions given; each has its name as password. */
export const startWithUsers = async (t: TestContext, users: Readonly<Record<string, readonly Granted[]>>) => {
  const { application, replica } = await startApplication(t);
  const runAnonymously = <Name extends OperationName>(name: Name, request: Operations[Name]["request"]) =>
    ask(application, name, anonymousCaller, request);
  const add = async (name: string): Promise<void> => {
    await runAnonymously("userAdd", { name, password: name, options: undefined, hashedPassword: "" });
    await runAnonymously("roleAdd", { name });
    await runAnonymously("userGrantRole", { user: name, role: name });
  };
  await add("root");
  for (const [name, permissions] of Object.entries(users)) {
    await add(name);
    for (const [permType, key, rangeEnd = ""] of permissions)
      await runAnonymously("roleGrantPermission", {
        name,
        perm: { permType, key: bytes(key), rangeEnd: bytes(rangeEnd) },
      });
  }
  await runAnonymously("authEnable", {});
  const logIn = async (name: string, password = name): Promise<Caller> => {
    const { response } = await ask(application, "authenticate", anonymousCaller, { name, password });
    return withToken(response.token);
  };
  return { application, replica, logIn, root: await logIn("root") };
};
