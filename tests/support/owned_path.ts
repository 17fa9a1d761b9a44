/**
 * Tells whether a path in the shared temporary folder is there and ours. One
 * that another user made under a name of ours is refused.
 */
export async function isOurs(path: string): Promise<boolean> {
  let uid: number | null;
  try {
    ({ uid } = await Deno.lstat(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
  if (uid !== Deno.uid()) throw new Error(`${path} belongs to another user`);
  return true;
}
