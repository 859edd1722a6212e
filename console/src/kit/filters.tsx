import { Button, Group, Text, TextInput } from "@mantine/core";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import classes from "./filters.module.css";
import { dicomDay } from "./format";

/** A column's own filter; it asks when the typing pauses. */
export function FilterBox({ value, label, onChange }: { value: string; label: string; onChange: (value: string) => void }) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState(value);
  useEffect(() => setTyped(value), [value]);
  useEffect(() => {
    if (typed === value) return;
    const soon = setTimeout(() => onChange(typed), 250);
    return () => clearTimeout(soon);
  }, [typed, value, onChange]);
  return (
    <TextInput size="xs" variant="filled" value={typed} onChange={(event) => setTyped(event.currentTarget.value)}
      onKeyDown={(event) => event.key === "Escape" && setTyped("")}
      aria-label={t("common.filterBy", { what: label })} classNames={{ input: classes.filter }} />
  );
}

export interface Span {
  from?: string;
  to?: string;
}

const DAY_MS = 86_400_000;
const day = (ago: number) => dicomDay(new Date(Date.now() - ago * DAY_MS));

/** A span of days: presets, or two dates. ``ahead``: the presets look forward too, as a schedule does. */
export function Days({ from, to, ahead, onChange }: Span & { ahead?: boolean; onChange: (span: Span) => void }) {
  const { t } = useTranslation();
  const presets: { word: string; from?: string; to?: string }[] = ahead
    ? [
        { word: "yesterday", from: day(1), to: day(1) },
        { word: "today", from: day(0), to: day(0) },
        { word: "tomorrow", from: day(-1), to: day(-1) },
        { word: "nextWeek", from: day(0), to: day(-6) },
        { word: "anyDate" },
      ]
    : [
        { word: "today", from: day(0) },
        { word: "yesterday", from: day(1), to: day(1) },
        { word: "week", from: day(6) },
        { word: "month", from: day(29) },
        { word: "anyDate" },
      ];
  const date = (text?: string) => (text ? `${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6)}` : "");
  const pick = (text: string) => text.replaceAll("-", "") || undefined;
  return (
    <Group gap={6} wrap="nowrap">
      <Button.Group>
        {presets.map((preset) => {
          const active = preset.from === from && preset.to === to;
          return (
            <Button key={preset.word} size="compact-xs" variant={active ? "light" : "default"} aria-pressed={active} onClick={() => onChange({ from: preset.from, to: preset.to })}>
              {t(`days.${preset.word}`)}
            </Button>
          );
        })}
      </Button.Group>
      <input className={classes.date} type="date" value={date(from)} aria-label={t("days.from")} onChange={(event) => onChange({ from: pick(event.target.value), to })} />
      <Text size="xs" c="dimmed">{t("days.to")}</Text>
      <input className={classes.date} type="date" value={date(to)} aria-label={t("days.until")} onChange={(event) => onChange({ from, to: pick(event.target.value) })} />
    </Group>
  );
}
