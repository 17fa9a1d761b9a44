/** What the files of a folder below `src/` may import besides each other. */
export interface Room {
  /** Rooms; every room may import `errors` as well. */
  rooms: readonly string[];
  /** Rooms of which only types may be imported. */
  typeRooms?: readonly string[];
  /** Packages, without a path behind the name. */
  packages?: readonly string[];
  /** Packages of which only types may be imported. */
  typePackages?: readonly string[];
  /** Whether `node:` modules may be imported. */
  node?: boolean;
}

const CORE = [
  "errors",
  "driver",
  "events",
  "pool",
  "engine",
  "unit_of_work",
  "session",
];
const ADAPTERS = ["drizzle", "tasks", "scoped", "otel", "wire"];
const DRIVERS = ["neon", "postgres", "pglite"];

/** The rooms of `src/`: a room that is not listed is reported. */
export const ROOMS: Readonly<Record<string, Room>> = {
  errors: { rooms: [] },
  driver: { rooms: [] },
  events: { rooms: ["driver"] },
  pool: { rooms: ["driver", "events"] },
  engine: { rooms: ["driver", "events", "pool"] },
  unit_of_work: { rooms: ["driver"] },
  session: {
    rooms: ["driver", "events", "engine", "unit_of_work"],
    typeRooms: ["pool"],
  },
  drizzle: {
    rooms: ["driver", "engine", "unit_of_work", "session"],
    typeRooms: ["pool"],
    packages: ["drizzle-orm"],
  },
  tasks: { rooms: ["drizzle"] },
  scoped: { rooms: ["drizzle"], typeRooms: ["driver", "pool"] },
  hono: {
    rooms: ["drizzle", "session"],
    typeRooms: ["driver", "engine", "scoped"],
    typePackages: ["hono"],
  },
  otel: {
    rooms: ["events"],
    typeRooms: ["driver", "engine"],
    packages: ["@opentelemetry/api"],
  },
  wire: { rooms: ["driver"], packages: ["pg-types"] },
  neon: { rooms: ["driver", "wire"], packages: ["@neondatabase/serverless"] },
  postgres: { rooms: ["driver", "wire"], packages: ["pg"], node: true },
  pglite: {
    rooms: ["driver", "pool", "wire"],
    packages: ["@electric-sql/pglite", "pg-types"],
    node: true,
  },
  testing: {
    rooms: [...CORE, ...ADAPTERS, ...DRIVERS],
    packages: ["drizzle-orm"],
  },
  dev: {
    rooms: [...CORE, ...ADAPTERS, ...DRIVERS, "hono", "testing"],
    packages: ["@electric-sql/pglite", "drizzle-orm", "hono", "pg", "ws"],
    node: true,
  },
};
