/** The part of Bun that its example uses; a project has `@types/bun`. */
declare module "bun" {
  export interface Server {
    readonly hostname: string;
    readonly port: number;
    /** Takes no more requests; resolves when those under way are answered. */
    stop(): Promise<void>;
  }

  export function serve(options: {
    fetch(request: Request): Response | Promise<Response>;
    hostname?: string;
    port?: number;
  }): Server;
}
