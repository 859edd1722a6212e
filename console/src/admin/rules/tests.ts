import type { Say } from "../../rights/audit/telling";

/** One test of a condition, as the plain form knows it; tests are joined by "and". */
export interface Test {
  subject: string;
  op: "in" | "not in" | "like" | "<" | ">=" | "span";
  values: string[];
}

/** What can be asked, each with its operators. */
export const SUBJECTS: Record<string, readonly Test["op"][]> = {
  Modality: ["in", "not in"], calling: ["in", "not in", "like"], called: ["in", "not in"], BodyPartExamined: ["in", "not in", "like"], StudyDescription: ["like", "in"], SeriesDescription: ["like", "in"],
  InstitutionName: ["like", "in"], Manufacturer: ["like", "in"], StationName: ["in", "like"], ReferringPhysicianName: ["like"], age: ["<", ">="], hour: ["span"], weekday: ["span"],
};
export const WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
const AGE = /^\d{1,5}[dwmy]$/;

/** A test that is just begun. */
export const beginning = (subject: string): Test => ({ subject, op: SUBJECTS[subject]![0]!, values: subject === "hour" ? ["20", "5"] : subject === "weekday" ? ["sat", "sun"] : subject === "age" ? ["18y"] : [] });

const written = (value: string) => (/^[A-Za-z0-9_]+$/.test(value) && !["and", "or", "not", "in", "like", "exists", "matches"].includes(value.toLowerCase()) ? value : `"${value.replace(/[\\"]/g, "\\$&")}"`);

/** Tests in the condition language; one without values says nothing. */
export function composed(tests: readonly Test[]): string {
  return tests.filter((each) => each.values.some((value) => value !== "")).map(one).join(" and ");
}

function one({ subject, op, values }: Test): string {
  if (op === "span") return `${subject} in (${values[0]}..${values[1]})`;
  if (op === "<" || op === ">=") return `${subject} ${op} ${values[0]}`;
  if (op === "like") return values.length === 1 ? `${subject} like ${quoted(values[0]!)}` : `(${values.map((each) => `${subject} like ${quoted(each)}`).join(" or ")})`;
  const list = values.length === 1 ? `${subject} = ${written(values[0]!)}` : `${subject} in (${values.map(written).join(", ")})`;
  return op === "in" ? list : `not ${values.length === 1 ? `(${list})` : `(${list})`}`;
}

const quoted = (part: string) => `"*${part.replace(/[\\"]/g, "\\$&")}*"`;

/** The tests of a condition; undefined where it is more than and-joined tests that the plain form knows. */
export function tests(condition: string): Test[] | undefined {
  if (condition.trim() === "") return [];
  const parts = split(condition, " and ");
  const found = parts?.map((part) => read(part.trim()));
  return found?.every((each) => each !== undefined) ? found : undefined;
}

/** Parts outside of quotes and brackets. */
function split(text: string, by: string): string[] | undefined {
  const parts: string[] = [];
  let depth = 0;
  let inText = false;
  let from = 0;
  for (let at = 0; at < text.length; at += 1) {
    const sign = text[at];
    if (inText) {
      if (sign === "\\") at += 1;
      else if (sign === '"') inText = false;
    } else if (sign === '"') inText = true;
    else if (sign === "(") depth += 1;
    else if (sign === ")") depth -= 1;
    else if (depth === 0 && text.slice(at, at + by.length).toLowerCase() === by) {
      parts.push(text.slice(from, at));
      from = at + by.length;
      at = from - 1;
    }
  }
  return depth === 0 && !inText ? [...parts, text.slice(from)] : undefined;
}

const bare = (text: string) => (text.startsWith('"') ? text.slice(1, -1).replace(/\\(.)/g, "$1") : text).trim();

function read(part: string): Test | undefined {
  const not = /^not\s*\((.*)\)$/is.exec(part);
  if (not) {
    const inner = read(not[1]!.trim());
    return inner?.op === "in" ? { ...inner, op: "not in" } : undefined;
  }
  const either = /^\((.*)\)$/s.exec(part);
  if (either) {
    const likes = split(either[1]!, " or ")?.map((each) => read(each.trim()));
    const subject = likes?.[0]?.subject;
    return subject && likes.every((each) => each?.op === "like" && each.subject === subject) ? { subject, op: "like", values: likes.flatMap((each) => each!.values) } : undefined;
  }
  const match = /^([A-Za-z]+)\s*(=|!=|<|>=|\bin\b|\blike\b)\s*(.+)$/is.exec(part);
  const [, subject = "", operator = "", rest = ""] = match ?? [];
  const ops = Object.hasOwn(SUBJECTS, subject) ? SUBJECTS[subject]! : [];
  if (!match || ops.length === 0) return undefined;
  const known = (op: Test["op"], values: string[]) => (ops.includes(op) ? { subject, op, values } : undefined);
  const text = rest.trim();
  if (operator === "<" || operator === ">=") {
    if (AGE.test(text) && subject === "age") return known(operator, [text]);
    if (subject === "hour" && /^\d{1,2}$/.test(text)) return known("span", operator === "<" ? ["0", String(Number(text) - 1)] : [text, "23"]);
    return undefined;
  }
  if (/^(like)$/i.test(operator)) {
    const like = /^\*([^*?]+)\*$/.exec(bare(text));
    return like && !/"\s*(or|and)\s/i.test(text) ? known("like", [like[1]!]) : undefined;
  }
  if (/^in$/i.test(operator)) {
    const list = /^\((.*)\)$/s.exec(text)?.[1];
    if (list === undefined) return undefined;
    const span = /^\s*([\w]+)\s*\.\.\s*([\w]+)\s*$/.exec(list);
    if (span) return known("span", [span[1]!, span[2]!]);
    return known("in", (split(list, ",") ?? []).map(bare));
  }
  if (/\s(or|and)\s/i.test(text.replace(/"(?:[^"\\]|\\.)*"/g, ""))) return undefined;
  return known(operator === "=" ? "in" : "not in", [bare(text)]);
}

/** Tests as a person says them. */
export function told(t: Say, list: readonly Test[]): string {
  return list.filter((each) => each.values.length > 0).map((each) => toldOne(t, each)).join(t("tell.and"));
}

function toldOne(t: Say, { subject, op, values }: Test): string {
  if (op === "span") {
    const day = (name: string | undefined) => t(`tell.days.${name}`, { defaultValue: name });
    return subject === "weekday" ? t("tell.says.weekday", { from: day(values[0]), to: day(values[1]) }) : t("tell.says.hour", { from: values[0], to: endOf(values[1]) });
  }
  const list = subject === "age" ? ageOf(t, values[0] ?? "") : values.join(t("tell.or"));
  return t(`tell.says.${op}`, { what: t(`tell.whats.${subject}`), list });
}

/** When an hour is over: 5 is all of it until 6:00. */
export const endOf = (hour: string | undefined) => Number(hour) + 1;

const ageOf = (t: Say, text: string) => `${text.slice(0, -1)} ${t(`tell.ages.${text.slice(-1)}`, { defaultValue: "" })}`;
