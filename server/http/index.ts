export type { AccessRules } from "./access.js";
export { HealthStats } from "./health-stats.js";
export { HttpServer, type PathServer } from "./http-server.js";
export { createPages, type Pages } from "./pages.js";
