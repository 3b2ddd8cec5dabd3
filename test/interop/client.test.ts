// The client keeps its promises on real etcd, too.

import { testClient } from "../client/on-cluster.js";

testClient("etcd");
