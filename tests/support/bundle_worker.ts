/** What to bundle, and for which drivers. */
export interface BundleOptions {
  /**
   * Whether the Worker connects over TCP: `pg` calls `require` for Node's
   * modules.
   */
  readonly tcp: boolean;
}

/**
 * Bundles a Worker as a deployment would, with Deno's bundler.
 *
 * @param entry The Worker's module, relative to the repository.
 * @param options What it needs.
 * @returns The code of one ES module.
 */
export async function bundleWorker(
  entry: string,
  options: BundleOptions,
): Promise<string> {
  const out = await Deno.makeTempFile({ suffix: ".js" });
  try {
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "bundle",
        "--quiet",
        `--platform=${options.tcp ? "deno" : "browser"}`,
        "--external=cloudflare:sockets",
        "--external=cloudflare:workers",
        `--output=${out}`,
        entry,
      ],
      // As wrangler; a package may have but a stand-in for browsers.
      env: { DENO_CONDITIONS: "workerd,worker" },
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    const code = await Deno.readTextFile(out);
    // `import.meta.url` is undefined in workerd.
    return code.replaceAll(
      "createRequire(import.meta.url)",
      'createRequire("/")',
    );
  } finally {
    await Deno.remove(out);
  }
}
