import { assertEquals } from "@std/assert";
import { Emitter } from "../../mod.ts";

Deno.test("Emitter tells of a listener that rejects", async () => {
  const emitter = new Emitter();
  const { promise: told, resolve: tell } = Promise.withResolvers<unknown>();
  let count = 0;
  emitter.on("close", () => Promise.reject(new Error("a listener's own")));
  emitter.on("listenerError", ({ error }) => {
    count++;
    tell(error);
    return Promise.reject(new Error("and again"));
  });
  emitter.emit({ type: "close" });
  assertEquals(count, 0);
  assertEquals(String(await told), "Error: a listener's own");
  assertEquals(count, 1);
});
