import { createEngine } from "@nullpool/db";
import { neon } from "@nullpool/db/neon";
import { env } from "cloudflare:workers";
import { notesApp } from "./app.ts";

// One engine per isolate, which keeps nothing between requests: Neon over
// HTTP, and over a WebSocket where a transaction has to stay open.
export default notesApp(createEngine(neon(() => env.DATABASE_URL)));
