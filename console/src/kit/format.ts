import type { Language } from "./words";

/** A DICOM date (YYYYMMDD) as people read it; what is not a date is shown as it is. */
export function showDate(text: string | undefined): string {
  const match = /^(\d{4})\.?(\d{2})\.?(\d{2})$/.exec(text ?? "");
  return match ? `${match[1]}-${match[2]}-${match[3]}` : (text ?? "");
}

/** A DICOM time (HHMMSS.FFFFFF) to the minute. */
export function showTime(text: string | undefined): string {
  const match = /^(\d{2}):?(\d{2})/.exec(text ?? "");
  return match ? `${match[1]}:${match[2]}` : (text ?? "");
}

// Controls, and characters that turn the direction of what stands around them (UAX 9) or cannot be seen.
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]+/g;

/** Text that somebody sent, as one line that reads in its own order and changes nothing around it. */
export const harmless = (text: string): string => text.replace(HIDDEN, (found) => (/[\t\n\r]/.test(found) ? " " : ""));

export interface PersonName {
  Alphabetic?: string;
  Ideographic?: string;
  Phonetic?: string;
}

/** A person name as read: the ideographic form first where there is one, the alphabetic behind it. */
export function showName(name: PersonName | undefined): { main: string; other: string } {
  const written = spaced(name?.Ideographic, "");
  const latin = spaced(name?.Alphabetic, ", ");
  return written ? { main: written, other: latin } : { main: latin, other: "" };
}

function spaced(group: string | undefined, afterFamily: string): string {
  if (!group) return "";
  const [family = "", given = "", middle = "", prefix = "", suffix = ""] = harmless(group).split("^").map((part) => part.trim());
  if (afterFamily === "") return family + given + middle;
  const rest = [prefix, given, middle, suffix].filter(Boolean).join(" ");
  return rest ? `${family}${afterFamily}${rest}` : family;
}

// Nobody has lived longer than 122 years.
const OLDEST_MONTHS = 130 * 12;

/** Age at the day of the study, as radiology writes it: years, under two years months, under two months days. */
export function showAge(birth: string | undefined, day: string | undefined, language: Language): string {
  const from = parse(birth);
  const to = parse(day);
  if (!from || !to || to < from) return "";
  const months =
    (to.getFullYear() - from.getFullYear()) * 12 + to.getMonth() - from.getMonth() - (to.getDate() < from.getDate() ? 1 : 0);
  const unit = (count: number, en: string, zh: string) => (language === "zh" ? `${count}${zh}` : `${count} ${en}`);
  if (months > OLDEST_MONTHS) return ""; // no age: the date of birth is wrong or stands for "unknown"
  if (months >= 24) return unit(Math.floor(months / 12), "y", " 岁");
  if (months >= 2) return unit(months, "mo", " 个月");
  return unit(Math.round((to.getTime() - from.getTime()) / 86_400_000), "d", " 天");
}

function parse(text: string | undefined): Date | undefined {
  const match = /^(\d{4})\.?(\d{2})\.?(\d{2})$/.exec(text ?? "");
  return match ? new Date(Number(match[1]), Number(match[2]) - 1, Number(match[3])) : undefined;
}

export function showSex(sex: string | undefined, language: Language): string {
  if (language !== "zh") return sex ?? "";
  return { M: "男", F: "女", O: "其他" }[sex ?? ""] ?? (sex ?? "");
}

export function showBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const step = Math.min(units.length - 1, bytes > 0 ? Math.floor(Math.log10(bytes) / 3) : 0);
  return `${(bytes / 1000 ** step).toFixed(step === 0 ? 0 : 1)} ${units[step]}`;
}

/** A moment of the server (ISO 8601) in the reader's zone. */
export function showMoment(iso: string): string {
  const moment = new Date(iso);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())} ${two(moment.getHours())}:${two(moment.getMinutes())}:${two(moment.getSeconds())}`;
}

/** A day as QIDO asks for it. */
export function dicomDay(day: Date): string {
  return `${day.getFullYear()}${String(day.getMonth() + 1).padStart(2, "0")}${String(day.getDate()).padStart(2, "0")}`;
}
