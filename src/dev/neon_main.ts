/**
 * Serves a local Neon endpoint over PGlite in `.data/neon`: `deno task neon`.
 *
 * @module
 */
import { PGlite } from "@electric-sql/pglite";
import { mkdir } from "node:fs/promises";
import process from "node:process";
import { lockDirectory } from "../pglite/directory_lock.ts";
import { serveNeon } from "./serve_neon.ts";

const [, , port = "4444", dataDir = ".data/neon"] = process.argv;

async function main(): Promise<void> {
  await mkdir(dataDir, { recursive: true });
  const lock = await lockDirectory(dataDir);
  const db = await PGlite.create(dataDir);
  const server = await serveNeon({ backend: db, port: Number(port) });
  process.stdout.write(`DATABASE_URL=${server.url}\n`);
  async function stop() {
    await server.close();
    await db.close();
    await lock.release();
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
