import { createEngine, NullpoolError, sessionmaker } from "@nullpool/db";
import { postgres } from "@nullpool/db/postgres";

/** What the test binds. */
interface Bindings {
  readonly POSTGRES_URL: string;
  readonly AUTHORITY: string;
}

const handler = {
  /** Says what becomes of a login: as the path says, with our authority. */
  async fetch(request: Request, env: Bindings): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    const tls = pathname === "/authority"
      ? { tls: { ca: env.AUTHORITY } }
      : undefined;
    const driver = postgres(`${env.POSTGRES_URL}${search}`, tls);
    try {
      await sessionmaker(createEngine(driver)).begin((db) =>
        db.execute("select 1")
      );
      return new Response("in");
    } catch (error) {
      if (!(error instanceof NullpoolError)) throw error;
      return new Response(`${error.code}: ${error.message}`);
    }
  },
};

export default handler;
