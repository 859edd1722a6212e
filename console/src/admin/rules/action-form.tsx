import { ActionIcon, Autocomplete, Button, Group, JsonInput, Select, Stack, Text, Textarea, TextInput } from "@mantine/core";
import { IconArrowDown, IconArrowUp, IconPlus, IconX } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Say } from "../../rights/audit/telling";
import classes from "../admin.module.css";

export type Action = Record<string, unknown>;
export const ACTS = ["set", "copy", "remove", "empty", "replace", "prefix", "suffix", "map"] as const;
type Act = (typeof ACTS)[number];

// What is set right most often.
const ATTRIBUTES = [
  "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDescription", "SeriesDescription", "BodyPartExamined", "InstitutionName",
  "InstitutionalDepartmentName", "StationName", "ReferringPhysicianName", "PerformingPhysicianName", "OperatorsName", "Manufacturer", "ManufacturerModelName", "ProtocolName", "RequestedProcedureDescription", "OtherPatientIDs",
];

export const actOf = (row: Action): Act | undefined => ACTS.find((each) => each in row);
const text = (value: unknown) => (typeof value === "string" || typeof value === "number" ? String(value) : value === undefined || value === null ? "" : JSON.stringify(value));
const simple = (row: Action) => {
  const act = actOf(row);
  return act !== undefined && typeof row[act] === "string" && (row.value === undefined || typeof row.value === "string" || typeof row.value === "number");
};

/** An action as a person says it. */
export function toldAction(t: Say, row: Action): string {
  const act = actOf(row);
  if (!act) return JSON.stringify(row);
  return t(`tell.actSays.${act}`, { what: text(row[act]), value: text(row.value), from: text(row.from), pattern: text(row.pattern), with: text(row.with), count: Object.keys((row.table as object | undefined) ?? {}).length });
}

/** Whether every action says all that it must. */
export const complete = (rows: readonly Action[]) => rows.every((row) => {
  const act = actOf(row);
  return act !== undefined && text(row[act]).trim() !== "" && (act !== "copy" || text(row.from).trim() !== "") && (act !== "replace" || text(row.pattern) !== "");
});

/** What a rule does: steps in plain words, or their JSON for experts. */
export function ActionForm({ actions, expert, onChange }: { actions: Action[]; expert: boolean; onChange: (actions: Action[]) => void }) {
  const { t } = useTranslation();
  if (expert || !actions.every(simple)) return <Raw actions={actions} onChange={onChange} />;
  const set = (place: number, row: Action) => onChange(actions.map((each, index) => (index === place ? row : each)));
  const move = (place: number, by: number) => {
    const next = actions.filter((_, index) => index !== place);
    next.splice(place + by, 0, actions[place]!);
    onChange(next);
  };
  return (
    <Stack gap="sm" role="group" aria-label={t("rules.actions")}>
      <Text size="sm" fw={500}>{t("rules.actions")}</Text>
      {actions.map((row, place) => (
        <Group key={place} gap={6} align="start" wrap="nowrap" className={classes.part} pt={12}>
          <Step row={row} place={place} onChange={(next) => set(place, next)} />
          <Group gap={2} wrap="nowrap">
            <ActionIcon variant="subtle" color="gray" size="sm" disabled={place === 0} onClick={() => move(place, -1)} aria-label={`${t("common.earlier")} ${place + 1}`}><IconArrowUp size={13} /></ActionIcon>
            <ActionIcon variant="subtle" color="gray" size="sm" disabled={place === actions.length - 1} onClick={() => move(place, 1)} aria-label={`${t("common.later")} ${place + 1}`}><IconArrowDown size={13} /></ActionIcon>
            <ActionIcon variant="subtle" color="gray" size="sm" onClick={() => onChange(actions.filter((_, index) => index !== place))} aria-label={`${t("common.remove")} ${place + 1}`}><IconX size={13} /></ActionIcon>
          </Group>
        </Group>
      ))}
      <Button size="compact-sm" variant="default" w="fit-content" leftSection={<IconPlus size={14} />} onClick={() => onChange([...actions, { set: "", value: "" }])}>{t("tell.addAction")}</Button>
    </Stack>
  );
}

function Step({ row, place, onChange }: { row: Action; place: number; onChange: (row: Action) => void }) {
  const { t } = useTranslation();
  const act = actOf(row) ?? "set";
  const what = text(row[act]);
  const begin = (next: Act): Action => ({ [next]: what, ...(["set", "prefix", "suffix"].includes(next) ? { value: text(row.value) } : next === "copy" ? { from: "" } : next === "replace" ? { pattern: "", with: "" } : next === "map" ? { table: {} } : {}) });
  const line = (key: "value" | "from" | "pattern" | "with") => <TextInput key={key} size="xs" style={{ flex: 1 }} label={t(`tell.fields.${key}`)} value={text(row[key])} onChange={(event) => onChange({ ...row, [key]: event.currentTarget.value })} />;
  return (
    <Stack gap={6} style={{ flex: 1, minWidth: 0 }}>
      <Group gap={6} wrap="nowrap" align="end">
        <Select size="xs" w={150} value={act} allowDeselect={false} aria-label={`${t("rules.actions")} ${place + 1}`} onChange={(next) => next && onChange(begin(next as Act))} data={ACTS.map((each) => ({ value: each, label: t(`tell.acts.${each}`) }))} />
        <Autocomplete size="xs" style={{ flex: 1 }} aria-label={`${t("tell.fields.attribute")} ${place + 1}`} placeholder={t("tell.fields.attribute")} data={ATTRIBUTES} value={what} onChange={(value) => onChange({ ...row, [act]: value })} limit={8} />
      </Group>
      {["set", "prefix", "suffix"].includes(act) && line("value")}
      {act === "copy" && <Autocomplete size="xs" label={t("tell.fields.from")} data={ATTRIBUTES} limit={8} value={text(row.from)} onChange={(from) => onChange({ ...row, from })} />}
      {act === "replace" && <Group gap={6} grow>{line("pattern")}{line("with")}</Group>}
      {act === "map" && <Table row={row} onChange={onChange} />}
    </Stack>
  );
}

function Table({ row, onChange }: { row: Action; onChange: (row: Action) => void }) {
  const { t } = useTranslation();
  const [lines, setLines] = useState(() => Object.entries((row.table as Record<string, string> | undefined) ?? {}).map(([from, to]) => `${from} = ${to}`).join("\n"));
  const type = (typed: string) => {
    setLines(typed);
    const table = Object.fromEntries(typed.split("\n").filter((each) => each.includes("=")).map((each) => [each.slice(0, each.indexOf("=")).trim(), each.slice(each.indexOf("=") + 1).trim()]));
    onChange({ ...row, table });
  };
  return (
    <>
      <Textarea size="xs" label={t("tell.fields.table")} value={lines} onChange={(event) => type(event.currentTarget.value)} autosize minRows={2} maxRows={12} classNames={{ input: classes.code }} />
      <TextInput size="xs" label={t("tell.fields.otherwise")} value={text(row.otherwise)} onChange={(event) => onChange({ ...row, otherwise: event.currentTarget.value || undefined })} />
    </>
  );
}

function Raw({ actions, onChange }: { actions: Action[]; onChange: (actions: Action[]) => void }) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState(() => JSON.stringify(actions, null, 2));
  const [wrong, setWrong] = useState(false);
  const type = (next: string) => {
    setTyped(next);
    try {
      const found: unknown = JSON.parse(next);
      if (!Array.isArray(found) || !found.every((each) => typeof each === "object" && each !== null)) throw new Error("no list of objects");
      setWrong(false);
      onChange(found as Action[]);
    } catch {
      setWrong(true);
    }
  };
  return <JsonInput label={t("rules.actions")} description={t("rules.actionsHelp")} value={typed} onChange={type} error={wrong ? t("rules.badActions") : undefined} autosize minRows={4} spellCheck={false} classNames={{ input: classes.code }} />;
}
