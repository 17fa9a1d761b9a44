import { createEngine } from "@nullpool/db";
import { postgres } from "@nullpool/db/postgres";
import { env } from "cloudflare:workers";
import { notesApp } from "./app.ts";

// Any PostgreSQL, behind the connections that Hyperdrive keeps to it.
const url = () => env.HYPERDRIVE.connectionString;

export default notesApp(createEngine(postgres(url)));
