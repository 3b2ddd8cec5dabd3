// The client's promises, on etcd.

import { testClient } from "../client/on-cluster.js";
import { testRecipes } from "../client/recipes-on-cluster.js";

for (const kind of ["etcd", "etcd-3.7"] as const) {
  testClient(kind);
  testRecipes(kind);
}
