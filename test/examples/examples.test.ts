// The examples on minietcd; on real etcd in test/interop/examples.test.ts.

import { testExamples } from "./on-cluster.js";

testExamples("minietcd");
