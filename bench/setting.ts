import type { Setting } from "./results.ts";
import type { Admin } from "./verify.ts";

/** Packages whose version matters to a reader. */
const PACKAGES = [
  "drizzle-orm",
  "@neondatabase/serverless",
  "pg",
  "postgres",
  "kysely",
  "@mikro-orm/core",
  "typeorm",
  "@prisma/client",
];

/**
 * What it is measured with.
 *
 * @param admin A connection to the server.
 */
export async function settingOf(admin: Admin): Promise<Setting> {
  const [row] = await admin.query("show server_version");
  const { imports }: { imports: Record<string, string> } = JSON.parse(
    await Deno.readTextFile(new URL("peers/deno.json", import.meta.url)),
  );
  const packages = PACKAGES.map((name) =>
    `${name} ${imports[name]?.split("@").at(-1)}`
  );
  const cores = navigator.hardwareConcurrency;
  return {
    date: new Date().toISOString().slice(0, 10),
    deno: Deno.version.deno,
    machine: `${Deno.build.os} ${Deno.build.arch}, ${cores} cores`,
    server: `PostgreSQL ${String(row?.server_version)}`,
    packages,
  };
}
