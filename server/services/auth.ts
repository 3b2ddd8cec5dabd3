import {
  AuthEnableRequest,
  AuthEnableResponse,
  AuthDisableRequest,
  AuthDisableResponse,
  AuthStatusRequest,
  AuthStatusResponse,
  AuthenticateRequest,
  AuthenticateResponse,
  AuthUserAddRequest,
  AuthUserAddResponse,
  AuthUserGetRequest,
  AuthUserGetResponse,
  AuthUserListRequest,
  AuthUserListResponse,
  AuthUserDeleteRequest,
  AuthUserDeleteResponse,
  AuthUserChangePasswordRequest,
  AuthUserChangePasswordResponse,
  AuthUserGrantRoleRequest,
  AuthUserGrantRoleResponse,
  AuthUserRevokeRoleRequest,
  AuthUserRevokeRoleResponse,
  AuthRoleAddRequest,
  AuthRoleAddResponse,
  AuthRoleGetRequest,
  AuthRoleGetResponse,
  AuthRoleListRequest,
  AuthRoleListResponse,
  AuthRoleDeleteRequest,
  AuthRoleDeleteResponse,
  AuthRoleGrantPermissionRequest,
  AuthRoleGrantPermissionResponse,
  AuthRoleRevokePermissionRequest,
  AuthRoleRevokePermissionResponse,
} from "../../proto/index.js";
import type { Application } from "../app/index.js";
import { type Method, unary } from "../rpc/index.js";
import type { ResponseSender } from "./response-sender.js";

/** etcdserverpb.Auth. */
export const authMethods = (application: Application, sender: ResponseSender): Method[] => [
  unary("/etcdserverpb.Auth/AuthEnable", AuthEnableRequest, AuthEnableResponse, (request, call, reply) =>
    application.authEnable(call, request, sender.to(reply)),
  ),
  unary("/etcdserverpb.Auth/AuthDisable", AuthDisableRequest, AuthDisableResponse, (request, call, reply) =>
    application.authDisable(call, request, sender.to(reply)),
  ),
  unary("/etcdserverpb.Auth/AuthStatus", AuthStatusRequest, AuthStatusResponse, (request, call, reply) =>
    application.authStatus(call, request, sender.to(reply)),
  ),
  unary("/etcdserverpb.Auth/Authenticate", AuthenticateRequest, AuthenticateResponse, (request, call, reply) =>
    application.authenticate(call, request, sender.to(reply)),
  ),
  unary("/etcdserverpb.Auth/UserAdd", AuthUserAddRequest, AuthUserAddResponse, (request, call, reply) =>
    application.userAdd(call, request, sender.to(reply)),
  ),
  unary("/etcdserverpb.Auth/UserGet", AuthUserGetRequest, AuthUserGetResponse, (request, call, reply) =>
    application.userGet(call, request, sender.to(reply)),
  ),
  unary("/etcdserverpb.Auth/UserList", AuthUserListRequest, AuthUserListResponse, (request, call, reply) =>
    application.userList(call, request, sender.to(reply)),
  ),
  unary("/etcdserverpb.Auth/UserDelete", AuthUserDeleteRequest, AuthUserDeleteResponse, (request, call, reply) =>
    application.userDelete(call, request, sender.to(reply)),
  ),
  unary(
    "/etcdserverpb.Auth/UserChangePassword",
    AuthUserChangePasswordRequest,
    AuthUserChangePasswordResponse,
    (request, call, reply) => application.userChangePassword(call, request, sender.to(reply)),
  ),
  unary(
    "/etcdserverpb.Auth/UserGrantRole",
    AuthUserGrantRoleRequest,
    AuthUserGrantRoleResponse,
    (request, call, reply) => application.userGrantRole(call, request, sender.to(reply)),
  ),
  unary(
    "/etcdserverpb.Auth/UserRevokeRole",
    AuthUserRevokeRoleRequest,
    AuthUserRevokeRoleResponse,
    (request, call, reply) => application.userRevokeRole(call, request, sender.to(reply)),
  ),
  unary("/etcdserverpb.Auth/RoleAdd", AuthRoleAddRequest, AuthRoleAddResponse, (request, call, reply) =>
    application.roleAdd(call, request, sender.to(reply)),
  ),
  unary("/etcdserverpb.Auth/RoleGet", AuthRoleGetRequest, AuthRoleGetResponse, (request, call, reply) =>
    application.roleGet(call, request, sender.to(reply)),
  ),
  unary("/etcdserverpb.Auth/RoleList", AuthRoleListRequest, AuthRoleListResponse, (request, call, reply) =>
    application.roleList(call, request, sender.to(reply)),
  ),
  unary("/etcdserverpb.Auth/RoleDelete", AuthRoleDeleteRequest, AuthRoleDeleteResponse, (request, call, reply) =>
    application.roleDelete(call, request, sender.to(reply)),
  ),
  unary(
    "/etcdserverpb.Auth/RoleGrantPermission",
    AuthRoleGrantPermissionRequest,
    AuthRoleGrantPermissionResponse,
    (request, call, reply) => application.roleGrantPermission(call, request, sender.to(reply)),
  ),
  unary(
    "/etcdserverpb.Auth/RoleRevokePermission",
    AuthRoleRevokePermissionRequest,
    AuthRoleRevokePermissionResponse,
    (request, call, reply) => application.roleRevokePermission(call, request, sender.to(reply)),
  ),
];
