export { HealthStats } from "./health-stats.js";
export { HttpServer } from "./http-server.js";
export { createPages } from "./pages.js";
