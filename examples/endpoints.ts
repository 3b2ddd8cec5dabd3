// Endpoints of the examples' cluster: that of `npm start`, or whatever ETCDCTL_ENDPOINTS says.

const ofNpmStart = "127.0.0.1:2379,127.0.0.1:22379,127.0.0.1:32379";

export const endpoints = (process.env["ETCDCTL_ENDPOINTS"] ?? ofNpmStart).split(",");
