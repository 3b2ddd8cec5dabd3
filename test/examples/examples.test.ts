// The examples on minietcd. test/interop/examples.test.ts runs them on etcd.

import { testExamples } from "./on-cluster.js";

testExamples("minietcd");
