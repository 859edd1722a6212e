import { ActionIcon, Button, Group, NumberInput, Select, Stack, TagsInput, Text, Textarea } from "@mantine/core";
import { IconPlus, IconX } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import classes from "../admin.module.css";
import { beginning, composed, endOf, SUBJECTS, type Test, tests, WEEKDAYS } from "./tests";

const MODALITIES = ["CT", "MR", "CR", "DX", "US", "XA", "RF", "MG", "NM", "PT", "SR"];

/** When a rule holds: tests in plain words, or the text of the condition for experts. */
export function ConditionForm({ condition, titles, expert, onChange }: { condition: string; titles: readonly string[]; expert: boolean; onChange: (condition: string) => void }) {
  const { t } = useTranslation();
  const [begun, setBegun] = useState<Test[]>(() => tests(condition) ?? []);
  // What was typed as text counts; what the form made of it only as long as it says the same.
  const list = composed(begun) === condition ? begun : tests(condition);
  if (expert || list === undefined)
    return (
      <Textarea label={t("rules.condition")} description={t(list === undefined && !expert ? "tell.cannot" : "rules.conditionHelp")} value={condition} onChange={(event) => onChange(event.currentTarget.value)} autosize minRows={2} spellCheck={false} classNames={{ input: classes.code }} placeholder={'Modality in (CT, MR) and calling like "CT*" and not (age < 18y)'} />
    );
  const set = (next: Test[]) => {
    setBegun(next);
    onChange(composed(next));
  };
  const change = (place: number, test: Test) => set(list.map((each, index) => (index === place ? test : each)));
  return (
    <Stack gap={6} role="group" aria-label={t("rules.condition")}>
      <Text size="sm" fw={500}>{t("rules.condition")}</Text>
      {list.length === 0 && <Text size="sm" c="dimmed">{t("tell.none")}</Text>}
      {list.map((test, place) => (
        <Group key={place} gap={6} wrap="nowrap" align="start">
          <Select size="xs" w={170} searchable value={test.subject} allowDeselect={false} aria-label={`${t("tell.subject")} ${place + 1}`} onChange={(subject) => subject && change(place, beginning(subject))} data={Object.keys(SUBJECTS).map((each) => ({ value: each, label: t(`tell.subjects.${each}`) }))} />
          <Select size="xs" w={118} value={test.op} allowDeselect={false} aria-label={`${t("tell.operator")} ${place + 1}`} onChange={(op) => op && change(place, { ...test, op: op as Test["op"] })} data={SUBJECTS[test.subject]!.map((each) => ({ value: each, label: t(`tell.ops.${each}`) }))} />
          <Values test={test} place={place} titles={titles} onChange={(values) => change(place, { ...test, values })} />
          <ActionIcon variant="subtle" color="gray" size={30} onClick={() => set(list.filter((_, index) => index !== place))} aria-label={`${t("common.remove")} ${place + 1}`}><IconX size={14} /></ActionIcon>
        </Group>
      ))}
      <Button size="compact-sm" variant="default" w="fit-content" leftSection={<IconPlus size={14} />} onClick={() => set([...list, beginning(Object.keys(SUBJECTS).find((each) => !list.some((test) => test.subject === each)) ?? "Modality")])}>{t("tell.addTest")}</Button>
    </Stack>
  );
}

function Values({ test, place, titles, onChange }: { test: Test; place: number; titles: readonly string[]; onChange: (values: string[]) => void }) {
  const { t } = useTranslation();
  const label = `${t("tell.values")} ${place + 1}`;
  const [from = "", to = ""] = test.values;
  if (test.subject === "hour")
    return (
      <Group gap={6} wrap="nowrap" style={{ flex: 1 }}>
        {[from, to].map((value, end) => <Select key={end} size="xs" w={92} value={value} allowDeselect={false} aria-label={t(end ? "tell.toHour" : "tell.fromHour")} onChange={(next) => next && onChange(end ? [from, next] : [next, to])} data={Array.from({ length: 24 }, (_, hour) => ({ value: String(hour), label: t("tell.oclock", { hour: end ? endOf(String(hour)) : hour }) }))} />)}
      </Group>
    );
  if (test.subject === "weekday")
    return (
      <Group gap={6} wrap="nowrap" style={{ flex: 1 }}>
        {[from, to].map((value, end) => <Select key={end} size="xs" w={116} value={value} allowDeselect={false} aria-label={t(end ? "tell.toHour" : "tell.fromHour")} onChange={(next) => next && onChange(end ? [from, next] : [next, to])} data={WEEKDAYS.map((each) => ({ value: each, label: t(`tell.days.${each}`) }))} />)}
      </Group>
    );
  if (test.subject === "age")
    return (
      <Group gap={6} wrap="nowrap" style={{ flex: 1 }}>
        <NumberInput size="xs" w={84} value={Number(from.slice(0, -1))} min={0} max={99_999} allowDecimal={false} aria-label={label} onChange={(next) => onChange([`${Number(next) || 0}${from.slice(-1) || "y"}`])} />
        <Select size="xs" w={100} value={from.slice(-1) || "y"} allowDeselect={false} aria-label={`${label} ${t("tell.ages.y")}`} onChange={(unit) => unit && onChange([`${from.slice(0, -1) || "0"}${unit}`])} data={["d", "w", "m", "y"].map((each) => ({ value: each, label: t(`tell.ages.${each}`) }))} />
      </Group>
    );
  const data = test.subject === "Modality" ? MODALITIES : test.subject === "calling" ? [...titles] : [];
  return <TagsInput size="xs" style={{ flex: 1, minWidth: 0 }} aria-label={label} data={data} value={test.values} onChange={onChange} />;
}
