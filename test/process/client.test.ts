// The client on minietcd; on real etcd in test/interop/client.test.ts.

import { testClient } from "../client/on-cluster.js";
import { testRecipes } from "../client/recipes-on-cluster.js";

testClient("minietcd");
testRecipes("minietcd");
