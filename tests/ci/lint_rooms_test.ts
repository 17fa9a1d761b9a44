import { assertEquals } from "@std/assert";
import { join } from "node:path";
import plugin from "../../.ci/lint_rooms.ts";
import { ROOT } from "../../.ci/project.ts";

/** What the plugin says about a file of `src/`. */
function lint(file: string, source: string): string[] {
  return Deno.lint.runPlugin(plugin, join(ROOT, file), source)
    .map(({ message }) => message);
}

const ALLOWED: [file: string, source: string][] = [
  ["src/pool/a.ts", 'import { A } from "./b.ts";'],
  ["src/pool/a.ts", 'import type { Driver } from "../driver/driver.ts";'],
  ["src/pool/a.ts", 'import { A } from "./_private.ts";'],
  ["src/unit_of_work/a.ts", 'import { A } from "../errors/error.ts";'],
  ["src/drizzle/a.ts", 'import { PgDatabase } from "drizzle-orm/pg-core";'],
  ["src/hono/a.ts", 'import type { Context } from "hono";'],
  ["src/hono/a.ts", 'import { type Context } from "hono";'],
  ["src/hono/a.ts", 'import type { A } from "../scoped/scoped_session.ts";'],
  ["src/scoped/a.ts", 'const m = await import("node:async_hooks");'],
  ["src/wire/a.ts", 'import { A } from "../driver/connection.ts";'],
  ["src/pglite/a.ts", 'import { A } from "../wire/type_parsers.ts";'],
  ["src/testing/a.ts", 'import { A } from "../drizzle/session.ts";'],
  ["src/dev/a.ts", 'import { A } from "../hono/db_session.ts";'],
  ["src/dev/a.ts", 'import { A } from "node:net";'],
  ["src/pool/a.ts", 'const name: string = "./../engine/engine.ts";'],
  ["tests/pool/a_test.ts", 'import { A } from "../../src/pool/_a.ts";'],
];

const REFUSED: [file: string, source: string, message: string][] = [
  [
    "src/driver/a.ts",
    'import type { Engine } from "../engine/engine.ts";',
    "driver does not import engine: see .ci/room_table.ts",
  ],
  [
    "src/pool/a.ts",
    'export { A } from "../session/session_core.ts";',
    "pool does not import session: see .ci/room_table.ts",
  ],
  [
    "src/pool/a.ts",
    'export * from "../session/session_core.ts";',
    "pool does not import session: see .ci/room_table.ts",
  ],
  [
    "src/pool/a.ts",
    'type A = import("../session/session_core.ts").SessionCore;',
    "pool does not import session: see .ci/room_table.ts",
  ],
  [
    "src/pool/a.ts",
    'const a = await import("../session/session_core.ts");',
    "pool does not import session: see .ci/room_table.ts",
  ],
  [
    "src/neon/a.ts",
    'import { A } from "../postgres/postgres_driver.ts";',
    "neon does not import postgres: see .ci/room_table.ts",
  ],
  [
    "src/testing/a.ts",
    'import { A } from "../hono/db_session.ts";',
    "testing does not import hono: see .ci/room_table.ts",
  ],
  [
    "src/hono/a.ts",
    'import { A } from "../scoped/scoped_session.ts";',
    "hono imports only types of scoped",
  ],
  [
    "src/hono/a.ts",
    'import { Hono } from "hono";',
    "hono imports only types of hono",
  ],
  [
    "src/engine/a.ts",
    'import { A } from "../pool/_closing_set.ts";',
    "src/pool/_closing_set.ts is private to pool",
  ],
  [
    "src/hono/a.ts",
    'import { A } from "../drizzle/mod.ts";',
    "Name the file, not the door",
  ],
  [
    "src/hono/a.ts",
    'import { A } from "../../mod.ts";',
    "Name the file, not the door",
  ],
  [
    "src/hono/a.ts",
    'import { A } from "@nullpool/db/scoped";',
    "Name the file, not the door",
  ],
  [
    "src/session/a.ts",
    'import type { SQL } from "drizzle-orm";',
    "session does not import the package drizzle-orm",
  ],
  [
    "src/neon/a.ts",
    'import pg from "npm:pg@8";',
    "neon does not import the package pg",
  ],
  [
    "src/tasks/a.ts",
    'import { A } from "node:events";',
    "tasks imports no node: module",
  ],
  [
    "src/scoped/a.ts",
    'import { AsyncLocalStorage } from "node:async_hooks";',
    "scoped imports no node: module",
  ],
  [
    "src/driver/a.ts",
    'import { A } from "../../tests/support/postgres.ts";',
    "tests/support/postgres.ts is outside src/",
  ],
  ["src/cache/a.ts", 'import "./b.ts";', "src/cache/ is not in the room table"],
  [
    "src/dev/a.ts",
    "const a = await import(name);",
    "Import a literal name, so that the room table can be checked",
  ],
];

Deno.test("rooms/imports allows what the room table allows", () => {
  for (const [file, source] of ALLOWED) {
    assertEquals(lint(file, source), [], `${file}: ${source}`);
  }
});

Deno.test("rooms/imports reports what the room table refuses", () => {
  for (const [file, source, message] of REFUSED) {
    assertEquals(lint(file, source), [message], `${file}: ${source}`);
  }
});
