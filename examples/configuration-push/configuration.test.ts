import assert from "node:assert/strict";
import { test } from "node:test";
import { startTestServer } from "../../testing/kit/index.js";
import { changeSettings, Configuration, type Settings } from "./configuration.js";

/** Resolves with the settings after the next change. */
const nextChange = (configuration: Configuration): Promise<Settings> =>
  new Promise((resolve) => {
    const end = configuration.onChange((settings) => {
      end();
      resolve(settings);
    });
  });

test("a process starts with the existing settings, and receives each later change as a whole", async () => {
  await using server = await startTestServer({ listen: false });
  const client = server.client();
  await changeSettings(client, "shop", { color: "blue", limit: "10" });
  await using configuration = await Configuration.open(server.client(), "shop");
  assert.deepEqual(Object.fromEntries(configuration.settings), { color: "blue", limit: "10" });

  const changed = nextChange(configuration);
  await changeSettings(client, "shop", { color: "green", limit: undefined, size: "5" });
  assert.deepEqual(Object.fromEntries(await changed), { color: "green", size: "5" });
});

test("an application does not see the settings of other applications", async () => {
  await using server = await startTestServer({ listen: false });
  const client = server.client();
  await using configuration = await Configuration.open(client, "shop");
  const changed = nextChange(configuration);
  await changeSettings(client, "shop-test", { color: "red" });
  await changeSettings(client, "shop", { color: "blue" });
  assert.deepEqual(Object.fromEntries(await changed), { color: "blue" });
});
