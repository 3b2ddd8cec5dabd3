// The client on minietcd; on real etcd in test/interop/client.test.ts.

import { testClient } from "./on-cluster.js";

testClient("minietcd");
