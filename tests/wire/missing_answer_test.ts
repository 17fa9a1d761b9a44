import { assertEquals } from "@std/assert";
import {
  CommitOutcomeError,
  ConnectionError,
  createEngine,
  sessionmaker,
} from "../../mod.ts";
import { postgres } from "../../src/postgres/mod.ts";
import { pipe } from "../support/pipe.ts";
import { testDatabase } from "../support/postgres.ts";

/** A message of the server's: the end of a statement. */
function commandComplete(tag: string): string {
  return `C\0\0\0${String.fromCharCode(tag.length + 5)}${tag}\0`;
}

/** A proxy that loses messages of the server's, such as broken ones do. */
function losing(target: string, lost: string) {
  const { hostname, port } = new URL(target);
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    const client = await listener.accept();
    const server = await Deno.connect({ hostname, port: Number(port) });
    await Promise.race([
      pipe(client, server, (bytes) => bytes),
      pipe(server, client, (bytes) => {
        const text = new TextDecoder("latin1").decode(bytes);
        const left = text.replace(lost, "");
        return Uint8Array.from(left, (letter) => letter.charCodeAt(0));
      }),
    ]);
    client.close();
    server.close();
  })();
  return {
    url: Object.assign(new URL(target), { port: String(listener.addr.port) })
      .href,
    async [Symbol.asyncDispose]() {
      await serving;
      listener.close();
    },
  };
}

/** What is lost, what that is for the statement, and for the commit. */
const CASES = [
  ["INSERT 0 1", "CONNECTION_LOST", "TRANSACTION_FAILED"],
  ["COMMIT", "fine", "COMMIT_OUTCOME_UNKNOWN"],
] as const;

for (const [tag, statement, commit] of CASES) {
  Deno.test(`WireConnection an answer without ${tag} is none`, async () => {
    await using database = await testDatabase({
      setup: "create table notes (id int)",
    });
    await using proxy = losing(database.url, commandComplete(tag));
    await using engine = createEngine(postgres(proxy.url));
    await using db = sessionmaker(engine)();
    const outcomes: string[] = [];
    const tell = (error: unknown) => {
      const isTold = error instanceof ConnectionError && error.maybeExecuted ||
        error instanceof CommitOutcomeError || outcomes.length > 0;
      outcomes.push(isTold ? Object(error).code : String(error));
    };
    await db.execute("insert into notes values (1)")
      .then(() => void outcomes.push("fine"), tell);
    await db.commit().then(() => void outcomes.push("fine"), tell);
    assertEquals(outcomes, [statement, commit]);
  });
}
