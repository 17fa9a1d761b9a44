import { createEngine, migrate } from "@nullpool/db";
import { pglite } from "@nullpool/db/pglite";
import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { notesApp } from "../src/app.ts";

Deno.test("notes", async () => {
  await using engine = createEngine(pglite());
  await migrate(engine, "drizzle");
  const app = notesApp(engine);

  function send(method: string, path: string, body?: unknown) {
    return app.request(path, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  const added = await send("POST", "/notes", { title: "Tea", tags: ["shop"] });
  strictEqual(added.status, 201);
  const path = added.headers.get("location") ?? "";
  const { createdAt: _, ...note } = await added.json();
  deepStrictEqual(note, { id: 1, title: "Tea", body: "", tags: ["shop"] });

  strictEqual((await send("PATCH", path, { body: "Green" })).status, 200);
  const [found] = await (await send("GET", "/notes?tag=shop")).json();
  deepStrictEqual([found.title, found.body], ["Tea", "Green"]);
  deepStrictEqual(await (await send("GET", "/notes?tag=home")).json(), []);

  strictEqual((await send("POST", "/notes", { title: "" })).status, 422);
  strictEqual((await send("DELETE", path)).status, 204);
  strictEqual((await send("GET", path)).status, 404);
});
