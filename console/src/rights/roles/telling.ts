import type { Say } from "../audit/telling";

/** A part of the archive, as the API keeps it: what is absent is no limit. */
export interface Scope {
  sites?: string[];
  departments?: string[];
  modalities?: string[];
  patient_lists?: string[];
  studies?: string[];
  referring_me?: boolean;
  assigned_to_me?: boolean;
  deidentified_only?: boolean;
  max_sensitivity?: number | null;
  priors?: boolean;
}

/** What somebody may do, in the order in which a ward thinks of it. */
export const GROUPS = [
  { name: "images", actions: ["view", "store", "print"] },
  { name: "reports", actions: ["report", "sign"] },
  { name: "data", actions: ["edit", "merge", "delete"] },
  { name: "out", actions: ["export", "share"] },
  { name: "keep", actions: ["break-glass", "protected", "administer", "security", "audit"] },
] as const;

export const LISTS = ["sites", "departments", "modalities", "patient_lists", "studies"] as const;
export const FLAGS = ["referring_me", "assigned_to_me", "deidentified_only", "priors"] as const;

/** Permissions in the order of GROUPS, in words. */
export function actionsOf(t: Say, actions: readonly string[]): string {
  const words = GROUPS.flatMap((group) => group.actions.filter((each) => actions.includes(each))).map((each) => t(`rights.actions.${each}`));
  return words.join(t("common.listComma")) || t("rights.nothing");
}

/** One part of the archive in words. */
export function scopeOf(t: Say, scope: Scope): string {
  const comma = t("common.listComma");
  const said = [
    ...(["modalities", "sites", "departments", "patient_lists"] as const).flatMap((key) => (scope[key]?.length ? [t(`rights.says.${key}`, { list: scope[key].join(comma) })] : [])),
    ...(scope.studies?.length ? [t("rights.says.studies", { count: scope.studies.length })] : []),
    ...(["referring_me", "assigned_to_me", "deidentified_only"] as const).flatMap((key) => (scope[key] ? [t(`rights.says.${key}`)] : [])),
    ...(scope.max_sensitivity !== undefined && scope.max_sensitivity !== null ? [t("rights.says.max_sensitivity", { level: scope.max_sensitivity })] : []),
  ];
  if (said.length === 0) return t("rights.everywhere");
  return [said.join(comma), ...(scope.priors ? [t("rights.says.priors")] : [])].join(comma);
}

export const scopesOf = (t: Say, scopes: readonly Scope[]) => (scopes.length === 0 ? t("rights.everywhere") : scopes.map((each) => scopeOf(t, each)).join(t("rights.or")));

/** What says nothing is left out, as the server keeps it. */
export function trimmed(scope: Scope): Record<string, unknown> {
  return Object.fromEntries(Object.entries(scope).filter(([, value]) => value !== false && value !== undefined && value !== null && !(Array.isArray(value) && value.length === 0)));
}

export const roleName = (t: Say, name: string) => t(`users.role.${name}`, { defaultValue: name });
