/** Whether this is Cloudflare's runtime. Node 20 has no `navigator`. */
export function isWorkerd(): boolean {
  const host: unknown = Reflect.get(globalThis, "navigator");
  return typeof host === "object" && host !== null &&
    "userAgent" in host && host.userAgent === "Cloudflare-Workers";
}
