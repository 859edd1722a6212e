import { call } from "../../kit/http";

/** An account (/api/v1/accounts). `provider` is '' where this archive keeps its password. */
export interface Account {
  /** As roles are given to it: person:7. */
  id: string;
  name: string;
  display_name: string;
  roles: string[];
  enabled: boolean;
  provider: string;
  must_change: boolean;
  authenticator: boolean;
  passkeys: number;
  last_administrator: boolean;
  created_at: string;
  last_sign_in: string | null;
  locked_until: string | null;
}

/** An open session (/api/v1/sessions). */
export interface Session {
  id: number;
  account: string;
  created_at: string;
  last_seen: string;
  expires_at: string;
  peer: string;
  agent: string;
  method: string;
  present: boolean;
}

const one = (name: string) => `/api/v1/accounts/${encodeURIComponent(name)}`;

export const people = {
  accounts: () => call<{ accounts: Account[] }>("GET", "/api/v1/accounts"),
  add: (body: { name: string; display_name: string; roles: string[] }) => call<{ one_time_password: string }>("POST", "/api/v1/accounts", { body }),
  account: (name: string) => call<Account>("GET", one(name)),
  change: (name: string, body: { display_name?: string; roles?: string[]; enabled?: boolean }, ifMatch?: string) => call<Account>("PATCH", one(name), { body, ifMatch }),
  reset: (name: string) => call<{ one_time_password: string }>("POST", `${one(name)}/password-reset`),
  unlock: (name: string) => call<void>("POST", `${one(name)}/unlock`),
  removeFactors: (name: string) => call<void>("DELETE", `${one(name)}/factors`),
  endSessions: (name: string) => call<{ ended: number }>("DELETE", `${one(name)}/sessions`),
  sessions: (everybody = false) => call<{ sessions: Session[] }>("GET", "/api/v1/sessions", { query: { everybody } }),
  endSession: (id: number) => call<void>("DELETE", `/api/v1/sessions/${id}`),
  endOthers: () => call<{ ended: number }>("DELETE", "/api/v1/sessions"),
  changePassword: (old: string, fresh: string) => call<void>("PUT", "/api/v1/me/password", { body: { old, new: fresh } }),
};

/** The ready roles, the most usual first. */
export const ROLES = ["radiologist", "resident", "technologist", "clinician", "data-manager", "viewer", "administrator", "security-officer", "auditor", "research", "integration"] as const;
