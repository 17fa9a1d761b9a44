/**
 * Serves a local Neon endpoint over PGlite in `.data/neon`: `deno task neon`.
 *
 * @module
 */
import process from "node:process";
import { serveNeon } from "./serve_neon.ts";

const [, , port = "4444", dataDir = ".data/neon"] = process.argv;

async function main(): Promise<void> {
  const server = await serveNeon({
    backend: `file://${dataDir}`,
    port: Number(port),
  });
  process.stdout.write(`DATABASE_URL=${server.url}\n`);
  async function stop() {
    await server.close();
    process.exit();
  }
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exit(1);
}
