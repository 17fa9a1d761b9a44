import { createEngine, NullPool, sessionmaker } from "@nullpool/db";
import { postgres } from "@nullpool/db/postgres";

/** What the test binds. */
interface Bindings {
  readonly POSTGRES_URL: string;
  readonly ROOM: {
    idFromName(name: string): unknown;
    get(id: unknown): { fetch(url: string): Promise<Response> };
  };
}

/** The part of a Durable Object's state that is used. */
interface State {
  blockConcurrencyWhile<Value>(work: () => Promise<Value>): Promise<Value>;
}

let url: string | undefined;

const engine = createEngine(postgres(() => url), {
  pool: (driver) => new NullPool(driver, { maxOpen: 1 }),
});
const Session = sessionmaker(engine);

function sleep(seconds: number): Promise<unknown> {
  return Session.begin((db) => db.execute(`select pg_sleep(${seconds})`));
}

/** An object that loads what it keeps from the database. */
export class Room {
  readonly #state: State;

  constructor(state: State) {
    this.#state = state;
  }

  async fetch(): Promise<Response> {
    await this.#state.blockConcurrencyWhile(() => sleep(1));
    return new Response("loaded");
  }
}

/** A Worker whose requests and objects share one slot. */
const worker = {
  async fetch(request: Request, env: Bindings): Promise<Response> {
    url = env.POSTGRES_URL;
    const { pathname } = new URL(request.url);
    if (pathname === "/status") return Response.json(engine.status());
    if (pathname === "/room") {
      return await env.ROOM.get(env.ROOM.idFromName("")).fetch("http://room/");
    }
    await sleep(2);
    return new Response("slept");
  },
};
export default worker;
