import { createEngine } from "../../src/engine/create_engine.ts";
import { sessionmaker } from "../../src/drizzle/sessionmaker.ts";
import { ScopeError } from "../../src/errors/state_error.ts";
import { scopedSession } from "../../src/scoped/scoped_session.ts";
import { recordingDriver } from "../../src/testing/recording_driver.ts";

/** A Worker that tries to make a scoped session. */
const worker = {
  async fetch(): Promise<Response> {
    try {
      const scope = scopedSession(
        sessionmaker(createEngine(recordingDriver())),
      );
      return await scope.run(async (db) => {
        await Promise.resolve();
        return new Response(scope.current === db ? "told apart" : "mixed");
      });
    } catch (error) {
      return new Response(
        error instanceof ScopeError ? `${error.code}: ${error.message}` : "?",
      );
    }
  },
};
export default worker;
