import { relations } from "drizzle-orm";
import {
  bigint,
  boolean,
  integer,
  pgTable,
  text,
  timestamp,
} from "drizzle-orm/pg-core";

// As better-auth's own generator writes them.
const user = pgTable("user", {
  id: text("id").primaryKey(),
  name: text("name").notNull(),
  email: text("email").notNull().unique(),
  emailVerified: boolean("email_verified").notNull().$defaultFn(() => false),
  image: text("image"),
  createdAt: timestamp("created_at").defaultNow().notNull(),
  updatedAt: timestamp("updated_at").defaultNow().notNull(),
});

const session = pgTable("session", {
  id: text("id").primaryKey(),
  expiresAt: timestamp("expires_at").notNull(),
  token: text("token").notNull().unique(),
  createdAt: timestamp("created_at").defaultNow().notNull(),
  updatedAt: timestamp("updated_at").notNull(),
  ipAddress: text("ip_address"),
  userAgent: text("user_agent"),
  userId: text("user_id").notNull()
    .references(() => user.id, { onDelete: "cascade" }),
});

const account = pgTable("account", {
  id: text("id").primaryKey(),
  accountId: text("account_id").notNull(),
  providerId: text("provider_id").notNull(),
  userId: text("user_id").notNull()
    .references(() => user.id, { onDelete: "cascade" }),
  accessToken: text("access_token"),
  refreshToken: text("refresh_token"),
  idToken: text("id_token"),
  accessTokenExpiresAt: timestamp("access_token_expires_at"),
  refreshTokenExpiresAt: timestamp("refresh_token_expires_at"),
  scope: text("scope"),
  password: text("password"),
  createdAt: timestamp("created_at").defaultNow().notNull(),
  updatedAt: timestamp("updated_at").notNull(),
});

const verification = pgTable("verification", {
  id: text("id").primaryKey(),
  identifier: text("identifier").notNull(),
  value: text("value").notNull(),
  expiresAt: timestamp("expires_at").notNull(),
  createdAt: timestamp("created_at").defaultNow().notNull(),
  updatedAt: timestamp("updated_at").defaultNow().notNull(),
});

const rateLimit = pgTable("rate_limit", {
  id: text("id").primaryKey(),
  key: text("key").notNull().unique(),
  count: integer("count").notNull(),
  lastRequest: bigint("last_request", { mode: "number" }).notNull(),
});

const userRelations = relations(user, ({ many }) => ({
  sessions: many(session),
  accounts: many(account),
}));
const sessionRelations = relations(session, ({ one }) => ({
  user: one(user, { fields: [session.userId], references: [user.id] }),
}));
const accountRelations = relations(account, ({ one }) => ({
  user: one(user, { fields: [account.userId], references: [user.id] }),
}));

/** The application's own: what a member has from the first request on. */
export const workspace = pgTable("workspace", {
  slug: text("slug").primaryKey(),
  ownerId: text("owner_id").notNull().references(() => user.id),
});

/** All tables, by the names that better-auth looks for. */
export const schema = {
  user,
  session,
  account,
  verification,
  rateLimit,
  workspace,
  userRelations,
  sessionRelations,
  accountRelations,
};

/**
 * What drizzle-kit writes for them, but that an owner is looked for at COMMIT.
 */
export const setup = `
  create table "user" (id text primary key, name text not null,
    email text not null unique, email_verified boolean default false not null,
    image text, created_at timestamp default now() not null,
    updated_at timestamp default now() not null);
  create table session (id text primary key, expires_at timestamp not null,
    token text not null unique, created_at timestamp default now() not null,
    updated_at timestamp not null, ip_address text, user_agent text,
    user_id text not null references "user" on delete cascade);
  create table account (id text primary key, account_id text not null,
    provider_id text not null,
    user_id text not null references "user" on delete cascade,
    access_token text, refresh_token text, id_token text,
    access_token_expires_at timestamp, refresh_token_expires_at timestamp,
    scope text, password text, created_at timestamp default now() not null,
    updated_at timestamp not null);
  create table verification (id text primary key, identifier text not null,
    value text not null, expires_at timestamp not null,
    created_at timestamp default now() not null,
    updated_at timestamp default now() not null);
  create table rate_limit (id text primary key, key text not null unique,
    count int not null, last_request bigint not null);
  create table workspace (slug text primary key, owner_id text not null
    references "user" deferrable initially deferred);`;
