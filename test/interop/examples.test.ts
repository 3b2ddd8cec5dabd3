// The examples run unchanged on real etcd.

import { testExamples } from "../examples/on-cluster.js";

testExamples("etcd");
