// The client on minietcd. test/interop/client.test.ts runs the same tests on etcd.

import { testClient } from "../client/on-cluster.js";
import { testRecipes } from "../client/recipes-on-cluster.js";

testClient("minietcd");
testRecipes("minietcd");
