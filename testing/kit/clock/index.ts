// The time of a test cluster: the machine's, or a virtual time that the test advances.

export { RealServerTime, type ServerTime, type TestClock, VirtualServerTime } from "./server-time.js";
