import { assertEquals } from "@std/assert";
import { serveNeon } from "../../src/dev/mod.ts";
import { bundleWorker } from "../support/bundle_worker.ts";
import { testDatabase } from "../support/postgres.ts";
import { startRawWorkerd } from "../support/raw_workerd.ts";

/** What is answered to one message. */
async function ask(url: string): Promise<unknown> {
  const socket = new WebSocket(url);
  try {
    return await new Promise((resolve, reject) => {
      socket.onopen = () => socket.send("for whom?");
      socket.onmessage = ({ data }) => resolve(data);
      socket.onerror = reject;
      socket.onclose = reject;
    });
  } finally {
    await new Promise((resolve) => {
      socket.onclose = resolve;
      socket.close();
    });
  }
}

Deno.test("workerd: a WebSocket's message speaks for its user where it is bound", async () => {
  const contents = await bundleWorker("tests/runtimes/websocket_worker.ts", {
    tcp: false,
  });
  await using database = await testDatabase();
  await using endpoint = await serveNeon({ backend: database.url, port: 0 });
  await using worker = await startRawWorkerd(contents, {
    NEON_URL: endpoint.url,
  });
  const base = `ws://127.0.0.1:${worker.port}`;
  const user = '{"sub":"u-7"}';
  assertEquals(await ask(`${base}/lax/bound`), user);
  assertEquals(await ask(`${base}/strict/bound`), user);
  assertEquals(await ask(`${base}/lax/plain`), "nobody");
  assertEquals(await ask(`${base}/strict/plain`), "CLAIMS_REQUIRED");
});
