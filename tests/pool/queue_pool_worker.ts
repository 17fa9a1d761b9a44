import { QueuePool } from "../../src/pool/queue_pool.ts";
import { PoolError } from "../../src/errors/pool_error.ts";
import { recordingDriver } from "../../src/testing/recording_driver.ts";

/** A Worker that tries to make a pool that keeps connections. */
const worker = {
  fetch(): Response {
    try {
      new QueuePool(recordingDriver());
      return new Response("made");
    } catch (error) {
      return new Response(error instanceof PoolError ? error.code : `${error}`);
    }
  },
};
export default worker;
