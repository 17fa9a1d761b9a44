/**
 * Bundles a module into one file that Node runs, with Deno's bundler.
 *
 * @param entry The module, relative to the repository.
 * @param output Where the file is written.
 */
export async function bundleNode(entry: string, output: string): Promise<void> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--platform=deno", `--output=${output}`, entry],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}
