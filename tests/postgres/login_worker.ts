import { createEngine, sessionmaker } from "@nullpool/db";
import { postgres } from "@nullpool/db/postgres";

/** What the test binds. */
interface Bindings {
  readonly POSTGRES_URL: string;
}

let Session: ReturnType<typeof sessionmaker> | undefined;

const handler = {
  /** A session with a connection of its own; what logins learn outlives it. */
  async fetch(_request: Request, env: Bindings): Promise<Response> {
    Session ??= sessionmaker(createEngine(postgres(env.POSTGRES_URL)));
    await Session.begin((db) => db.execute("select 1"));
    return new Response("in");
  },
};

export default handler;
