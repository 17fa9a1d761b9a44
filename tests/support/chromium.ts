const PROGRAMS = [
  "chromium-headless-shell",
  "chromium",
  "chromium-browser",
  "google-chrome",
];

/**
 * Where a browser is that Playwright can drive: `NULLPOOL_TEST_CHROMIUM`, or
 * one on the PATH. None is downloaded.
 */
export function chromiumProgram(): string | undefined {
  const named = Deno.env.get("NULLPOOL_TEST_CHROMIUM");
  if (named) return named;
  const folders = (Deno.env.get("PATH") ?? "").split(":");
  return PROGRAMS.flatMap((name) =>
    folders.map((folder) => `${folder}/${name}`)
  ).find(isFile);
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
