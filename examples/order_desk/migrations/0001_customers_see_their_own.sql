-- A role belongs to a server, where another database may have made it already.
DO $$ BEGIN CREATE ROLE "order_desk_customer" NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;--> statement-breakpoint
GRANT "order_desk_customer" TO CURRENT_USER;--> statement-breakpoint
GRANT SELECT ON "customers", "orders", "order_lines", "products" TO "order_desk_customer";--> statement-breakpoint
ALTER TABLE "customers" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "order_lines" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "orders" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE POLICY "customers_own" ON "customers" AS PERMISSIVE FOR SELECT TO "order_desk_customer" USING ("customers"."id" = (current_setting('request.jwt.claims', true)::json ->> 'sub')::integer);--> statement-breakpoint
CREATE POLICY "order_lines_of_own" ON "order_lines" AS PERMISSIVE FOR SELECT TO "order_desk_customer" USING (exists (select from "orders" where "orders"."id" = "order_lines"."order_id"));--> statement-breakpoint
CREATE POLICY "orders_own" ON "orders" AS PERMISSIVE FOR SELECT TO "order_desk_customer" USING ("orders"."customer_id" = (current_setting('request.jwt.claims', true)::json ->> 'sub')::integer);
