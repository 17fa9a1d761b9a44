import { createEngine, NullPool, sessionmaker } from "@nullpool/db";
import { postgres } from "@nullpool/db/postgres";

/** What the test binds. */
interface Bindings {
  readonly POSTGRES_URL: string;
}

/** The part of Cloudflare's execution context that is used. */
interface ExecutionContext {
  waitUntil(work: Promise<unknown>): void;
}

let url: string | undefined;

/** How many sessions have ended. */
let ended = 0;

/** How many were lent a connection at once, and are now. */
let peak = 0;
let lent = 0;

function makerWith(timeout: number) {
  const engine = createEngine(postgres(() => url), {
    pool: (driver) => new NullPool(driver, { maxOpen: 1, timeout }),
  });
  engine.on("sessionClose", () => ended++);
  engine.on("checkout", () => peak = Math.max(peak, ++lent));
  engine.on("checkin", () => lent--);
  return sessionmaker(engine);
}

const makers: Record<string, ReturnType<typeof makerWith>> = {
  bounded: makerWith(5_000),
  hasty: makerWith(100),
  endless: makerWith(0),
};

/** Keeps everybody from their turn. */
function compute(): number {
  const start = performance.now();
  while (performance.now() - start < 700);
  return start;
}

/** A Worker whose requests share one slot. */
const worker = {
  async fetch(
    request: Request,
    env: Bindings,
    context: ExecutionContext,
  ): Promise<Response> {
    url = env.POSTGRES_URL;
    const [, name = "", task] = new URL(request.url).pathname.split("/");
    if (task === "ended") return Response.json(ended);
    if (task === "peak") {
      const most = peak;
      peak = lent = 0;
      return Response.json(most);
    }
    if (task === "compute") return Response.json(compute());
    const insert = () =>
      makers[name]?.begin(async (db) => {
        await db.execute("insert into kept values (1)");
        if (task === "slow") await db.execute("select pg_sleep(60)");
        if (task === "long") await db.execute("select pg_sleep(3)");
      });
    try {
      if (task === "behind") context.waitUntil(Promise.resolve(insert()));
      else await insert();
      return new Response("ok");
    } catch (error) {
      return new Response(`${error}`, { status: 500 });
    }
  },
};
export default worker;
