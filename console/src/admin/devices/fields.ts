/** A key of a policy: where it stands (dots go inside), how it is edited, and what its absence means. */
export interface Field {
  key: string;
  kind: "flag" | "many" | "choice" | "texts" | "titles" | "syntaxes" | "whole" | "seconds" | "text" | "charset";
  /** The absent value; lists compare as sets. */
  absent: unknown;
  choices?: readonly string[];
  /** Null is a value of its own: everything. */
  all?: boolean;
  min?: number;
  max?: number;
}

export interface FieldGroup {
  name: string;
  fields: readonly Field[];
}

export type Policy = Record<string, unknown>;

export const SERVICES = ["echo", "store", "find", "move", "get", "worklist", "mpps", "commit", "ups", "ian"] as const;
export const CHARSETS = ["", "ISO_IR 6", "ISO_IR 100", "ISO_IR 101", "ISO_IR 109", "ISO_IR 110", "ISO_IR 144", "ISO_IR 127", "ISO_IR 126", "ISO_IR 138", "ISO_IR 148", "ISO_IR 13", "ISO_IR 166", "ISO 2022 IR 87", "ISO 2022 IR 149", "ISO 2022 IR 58", "GBK", "GB18030", "ISO_IR 192"] as const;
const STATUSES = ["SCHEDULED", "ARRIVED", "READY", "STARTED", "DEPARTED"] as const;
const A_DAY_S = 86_400;

const flag = (key: string): Field => ({ key, kind: "flag", absent: false });
const time = (key: string): Field => ({ key, kind: "seconds", absent: null, min: 0.1, max: A_DAY_S });

/** Everything that is said of a device, in the order in which an administrator thinks of it. */
export const DEVICE: readonly FieldGroup[] = [
  {
    name: "may",
    fields: [
      { key: "services", kind: "many", absent: SERVICES, choices: SERVICES },
      { key: "destinations", kind: "titles", absent: null, all: true },
      { key: "max_associations", kind: "whole", absent: null, min: 1, max: 10_000 },
    ],
  },
  { name: "from", fields: [flag("check_host"), { key: "addresses", kind: "texts", absent: [] }, flag("tls_required"), { key: "tls_name", kind: "text", absent: "" }] },
  {
    name: "sending",
    fields: [
      { key: "outgoing", kind: "many", absent: SERVICES, choices: SERVICES },
      flag("tls.call"),
      { key: "failover", kind: "texts", absent: [] },
      { key: "preferred_syntaxes", kind: "syntaxes", absent: [] },
      { key: "calling_ae", kind: "text", absent: "" },
      flag("calling_as_source"),
      { key: "priority", kind: "choice", absent: "medium", choices: ["low", "medium", "high"] },
      { key: "bytes_per_s", kind: "whole", absent: null, min: 1000, max: 100_000_000_000 },
      { key: "hours", kind: "texts", absent: [] },
      flag("as_received"),
      flag("notify_ian"),
      flag("fallback"),
    ],
  },
  {
    name: "taking",
    fields: [
      { key: "accepted_syntaxes", kind: "syntaxes", absent: [] },
      { key: "character_set", kind: "charset", absent: "" },
      { key: "quiet_s", kind: "seconds", absent: null, min: 0.1, max: A_DAY_S },
    ],
  },
  { name: "answers", fields: [{ key: "response_character_set", kind: "charset", absent: "" }, flag("lenient_relational")] },
  {
    name: "worklist",
    fields: [
      flag("worklist.own_station"),
      { key: "worklist.more_days", kind: "whole", absent: 0, min: 0, max: 366 },
      { key: "worklist.modalities", kind: "texts", absent: null, all: true },
      { key: "worklist.hidden", kind: "many", absent: [], choices: STATUSES },
      { key: "worklist.character_set", kind: "charset", absent: "" },
      flag("strict_mpps"),
      flag("notify_mpps"),
      { key: "forward_mpps", kind: "titles", absent: [] },
    ],
  },
  {
    name: "commit",
    fields: [
      { key: "commit", kind: "choice", absent: "auto", choices: ["auto", "new", "same"] },
      { key: "commit_check", kind: "choice", absent: "digest", choices: ["row", "exists", "size", "digest"] },
    ],
  },
  { name: "times", fields: [time("connect_timeout_s"), time("response_timeout_s"), time("pdu_timeout_s"), time("idle_timeout_s")] },
];

/** What is offered and seen at an AE title of ours. */
export const LOCAL: readonly FieldGroup[] = [
  {
    name: "offered",
    fields: [
      { key: "services", kind: "many", absent: SERVICES, choices: SERVICES },
      { key: "strangers", kind: "many", absent: [], choices: SERVICES },
      flag("read_only"),
    ],
  },
  {
    name: "seen",
    fields: [
      { key: "modalities", kind: "texts", absent: [] },
      { key: "stations", kind: "texts", absent: [] },
      { key: "departments", kind: "texts", absent: [] },
      { key: "max_age_days", kind: "whole", absent: null, min: 1, max: 40_000 },
      flag("show_rejected"),
      flag("as_received"),
    ],
  },
];

/** How objects of a sender are filed. */
export const STORE: readonly FieldGroup[] = [
  {
    name: "same",
    fields: [
      { key: "replacing", kind: "choice", absent: "never", choices: ["never", "if-different", "same-source", "same-series", "same-source-and-series", "always"] },
      { key: "not_replaced", kind: "choice", absent: "quarantine", choices: ["quarantine", "ignore"] },
      { key: "elsewhere", kind: "choice", absent: "quarantine", choices: ["quarantine", "ignore", "reject", "replace", "beside"] },
      { key: "kept_days", kind: "whole", absent: 30, min: 0, max: 3650 },
    ],
  },
  {
    name: "whose",
    fields: [
      { key: "missing_id", kind: "choice", absent: "accept", choices: ["accept", "reject", "create"] },
      { key: "other_patient", kind: "choice", absent: "accept", choices: ["accept", "reject", "merge"] },
      { key: "default_issuer", kind: "text", absent: "" },
      { key: "trusted_issuers", kind: "texts", absent: [] },
      { key: "compare", kind: "texts", absent: [] },
    ],
  },
  {
    name: "update",
    fields: (["update_patient", "update_study", "update_series"] as const).map((key) => ({ key, kind: "choice", absent: "supplement", choices: ["preserve", "supplement", "merge", "overwrite", "replace"] })),
  },
  { name: "text", fields: [{ key: "charset", kind: "charset", absent: "" }, { key: "charset_repair", kind: "choice", absent: "never", choices: ["never", "missing", "detect", "always"] }] },
];

/** The value at a key, or what its absence means. */
export function valueOf(policy: Policy, field: Field): unknown {
  let at: unknown = policy;
  for (const step of field.key.split(".")) at = isObject(at) ? at[step] : undefined;
  return at === undefined ? field.absent : at;
}

/** The policy with another value; what is as absent is left out, and so is what it stood in. */
export function withValue(policy: Policy, field: Field, value: unknown): Policy {
  return put(policy, field.key.split("."), same(value, field.absent) ? undefined : value);
}

export function differs(policy: Policy, field: Field): boolean {
  return !same(valueOf(policy, field), field.absent);
}

/** The keys that no field edits, as they stand. */
export function others(policy: Policy, groups: readonly FieldGroup[]): Policy {
  let rest = policy;
  for (const group of groups) for (const field of group.fields) rest = put(rest, field.key.split("."), undefined);
  return rest;
}

/** The policy with its fields as they are and these other keys. */
export function withOthers(policy: Policy, groups: readonly FieldGroup[], rest: Policy): Policy {
  let made = rest;
  for (const group of groups) for (const field of group.fields) if (differs(policy, field)) made = withValue(made, field, valueOf(policy, field));
  return made;
}

function put(at: Policy, [step, ...below]: string[], value: unknown): Policy {
  const { [step!]: present, ...rest } = at;
  if (below.length === 0) return value === undefined ? rest : { ...rest, [step!]: value };
  if (present === undefined && value === undefined) return at;
  const inner = put(isObject(present) ? present : {}, below, value);
  return Object.keys(inner).length === 0 ? rest : { ...rest, [step!]: inner };
}

function same(one: unknown, other: unknown): boolean {
  if (Array.isArray(one) && Array.isArray(other)) return one.length === other.length && one.every((each) => other.includes(each));
  return one === other;
}

const isObject = (value: unknown): value is Policy => typeof value === "object" && value !== null && !Array.isArray(value);
