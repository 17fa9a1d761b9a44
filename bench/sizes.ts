import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { peerEntry, type PeerName } from "./peer_list.ts";
import type { Size } from "./results.ts";

/**
 * Bundles a peer, with its eight workloads, as for a Worker.
 *
 * @param name Which peer.
 * @returns Nothing when it cannot be bundled.
 */
export async function sizeOf(name: PeerName): Promise<Size | undefined> {
  const { module, export: exported, transport } = peerEntry(name);
  const folder = await Deno.makeTempDir();
  try {
    const entry = join(folder, "entry.ts");
    const output = join(folder, "output.js");
    const path = fileURLToPath(new URL(module, import.meta.url));
    await Deno.writeTextFile(
      entry,
      `export { ${exported} } from ${JSON.stringify(path)};\n`,
    );
    // `pg` has a build of its own for Workers, which takes their sockets.
    const isTcp = transport === "tcp" || name === "prisma-neon";
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "bundle",
        "--quiet",
        "--minify",
        `--config=${
          fileURLToPath(new URL("peers/deno.json", import.meta.url))
        }`,
        `--platform=${isTcp ? "deno" : "browser"}`,
        "--external=cloudflare:sockets",
        `--output=${output}`,
        entry,
      ],
      env: isTcp ? { DENO_CONDITIONS: "workerd,worker" } : {},
    }).output();
    if (!success) {
      console.error(new TextDecoder().decode(stderr).slice(0, 500));
      return undefined;
    }
    const code = await Deno.readFile(output);
    return { bytes: code.byteLength, gzip: await gzipSize(code) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function gzipSize(bytes: Uint8Array<ArrayBuffer>): Promise<number> {
  const stream = new Blob([bytes]).stream()
    .pipeThrough(new CompressionStream("gzip"));
  return (await new Response(stream).arrayBuffer()).byteLength;
}
