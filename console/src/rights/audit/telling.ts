import type { useTranslation } from "react-i18next";
import type { AuditRecord } from "../../api/v1";
import { showName } from "../../kit/format";
import "../words";

export type Say = ReturnType<typeof useTranslation>["t"];

export const KINDS = [
  "accessed", "transferred", "exported", "shared", "query", "stored", "changed", "deleted", "glass-broken", "refused", "alert", "login", "login-refused", "logout",
  "account-changed", "rights-changed", "configured", "audit-read", "audit-pruned", "started", "stopped",
] as const;

/** A word of a list by a name that may hold dots and colons; what is not in the list is shown as it is. */
export const wordOf = (t: Say, list: "whats" | "kinds" | "doors" | "details", name: string): string =>
  (t(`audit.${list}`, { returnObjects: true }) as unknown as Record<string, string>)[name] ?? name;

export const whatOf = (t: Say, row: AuditRecord) => (row.what === row.kind ? "" : wordOf(t, "whats", row.what));

export const patientsOf = (row: AuditRecord) =>
  row.patients.map((each) => [each.id, each.name ? showName(named(each.name)).main : ""].filter(Boolean).join(" · ")).join(", ");

function named(text: string) {
  const [Alphabetic, Ideographic, Phonetic] = text.split("=");
  return { Alphabetic, Ideographic, Phonetic };
}

export const worked = (row: AuditRecord) => row.outcome === 0;

/** The beginning (or the end) of a DICOM day in the reader's zone, as the API asks for it. */
export function moment(day: string | undefined, end = false): string | undefined {
  const match = /^(\d{4})(\d{2})(\d{2})$/.exec(day ?? "");
  if (!match) return undefined;
  return new Date(Number(match[1]), Number(match[2]) - 1, Number(match[3]) + (end ? 1 : 0)).toISOString();
}
