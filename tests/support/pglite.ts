import { PGlite } from "@electric-sql/pglite";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isOurs } from "./owned_path.ts";

/**
 * Opens an empty in-memory PGlite.
 *
 * It is loaded from a dump, which takes a quarter of the time that a first
 * boot takes. The dump is made once per version of PGlite.
 *
 * ```ts ignore
 * await using pglite = await testPGlite();
 * ```
 */
export async function testPGlite(): Promise<PGlite> {
  const resolved = import.meta.resolve("@electric-sql/pglite");
  const version = /pglite[/@](\d[^/]*)/.exec(resolved)?.[1] ?? "unknown";
  const dump = join(tmpdir(), `nullpool-pglite-${version}-${Deno.uid()}`);
  if (!(await isOurs(dump))) await writeDump(dump);
  const loadDataDir = new Blob([await Deno.readFile(dump)]);
  return await PGlite.create({ loadDataDir });
}

async function writeDump(path: string): Promise<void> {
  await using pglite = await PGlite.create();
  const dump = await pglite.dumpDataDir("gzip");
  // Complete, then renamed: another run reads a whole file or none.
  const draft = await Deno.makeTempFile({ prefix: "nullpool-pglite-" });
  await Deno.writeFile(draft, dump.stream());
  await Deno.rename(draft, path);
}
