import pg from "pg";
import { createEngine, sessionmaker } from "@nullpool/db";
import { postgres } from "@nullpool/db/postgres";

/** What the test binds. */
interface Bindings {
  readonly POSTGRES_URL: string;
}

const pools: Record<string, pg.Pool> = {};
let url: string | undefined;
const Session = sessionmaker(createEngine(postgres(() => url)));

/** A Worker that asks a pool at module level, of so many, or a session. */
const worker = {
  async fetch(request: Request, env: Bindings): Promise<Response> {
    url = env.POSTGRES_URL;
    const { pathname } = new URL(request.url);
    if (pathname === "/session") {
      const { rows } = await Session.begin((db) =>
        db.execute("select 1 as one")
      );
      return Response.json(rows);
    }
    const max = Number(pathname.slice(1));
    const pool = pools[max] ??= new pg.Pool({ connectionString: url, max });
    const { rows } = await pool.query("select 1 as one");
    return Response.json(rows);
  },
};
export default worker;
