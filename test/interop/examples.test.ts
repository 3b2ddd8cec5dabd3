// The examples run unchanged on etcd.

import { testExamples } from "../examples/on-cluster.js";

testExamples("etcd");
