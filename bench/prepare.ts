import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("peers/", import.meta.url));
const GENERATED = new URL("peers/dist/prisma/client.ts", import.meta.url);

/**
 * Makes Prisma's client, once. Its generator asks for the path of an engine
 * that it does not run: any program will do, and nothing is downloaded.
 */
export async function generatePrisma(): Promise<void> {
  const isMade = await Deno.stat(GENERATED).then(() => true, () => false);
  if (isMade) return;
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--quiet",
      "--config=deno.json",
      // It is no package of what is measured.
      "--no-lock",
      "npm:prisma@7.10.0",
      "generate",
      "--schema=prisma.prisma",
    ],
    cwd: FOLDER,
    env: {
      PRISMA_SCHEMA_ENGINE_BINARY: Deno.execPath(),
      PRISMA_HIDE_UPDATE_MESSAGE: "1",
    },
    stdin: "null",
    stdout: "null",
  }).output();
  if (!success) {
    console.error(new TextDecoder().decode(stderr));
    console.error("Prisma's client was not made: it will be missing");
  }
}
