CREATE TABLE "imported_batches" (
	"digest" text PRIMARY KEY NOT NULL,
	"rows" integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE "readings" (
	"sensor" text NOT NULL,
	"at" timestamp with time zone NOT NULL,
	"value" double precision NOT NULL,
	CONSTRAINT "readings_sensor_at_pk" PRIMARY KEY("sensor","at")
);
