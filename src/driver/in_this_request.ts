/**
 * Makes a function that has something done in the request that is running now,
 * whichever request calls it: on Workers, what waits for a promise runs in the
 * request that made the promise, and not at all where that has ended (workerd
 * says so on the console, once). On other runtimes it is done soon.
 *
 * @param work What to do, once; it must not throw.
 * @returns Has it done.
 */
export function inThisRequest(work: () => void): () => void {
  let ask = () => {};
  const asked = new Promise<void>((resolve) => ask = resolve);
  void asked.then(work);
  return ask;
}
