import { Checkbox, Group, Input, MultiSelect, NumberInput, SegmentedControl, Select, Stack, Switch, TagsInput, Text, TextInput } from "@mantine/core";
import { useTranslation } from "react-i18next";
import classes from "../admin.module.css";
import { CHARSETS, differs, type Field, type FieldGroup, others, type Policy, valueOf, withValue } from "./fields";
import { OtherKeys } from "./policy-others";
import { SYNTAXES } from "./syntaxes";

interface Props {
  /** Where its words are: device, local or store. */
  of: string;
  groups: readonly FieldGroup[];
  policy: Policy;
  onChange: (policy: Policy) => void;
  /** What is wrong, by key. */
  wrong?: Readonly<Record<string, string>>;
  titles?: readonly string[];
  open?: readonly string[];
}

/** A policy by groups; each key with its sentence. Those that say something open by themselves. */
export function PolicyForm({ of, groups, policy, onChange, wrong = {}, titles = [], open = [] }: Props) {
  const { t } = useTranslation();
  return (
    <Stack gap="sm">
      {groups.map((group) => {
        const changed = group.fields.filter((field) => differs(policy, field)).length;
        const faulty = group.fields.some((field) => wrong[field.key]);
        return (
          <details key={group.name} className={classes.group} open={open.includes(group.name) || changed > 0 || faulty || undefined}>
            <summary>
              {t(`policy.${of}.group.${group.name}`)}
              {changed > 0 && <span>{t("policy.changed", { count: changed })}</span>}
            </summary>
            <div className={classes.fields}>
              {group.fields.map((field) => (
                <FieldInput key={field.key} of={of} field={field} value={valueOf(policy, field)} titles={titles} error={wrong[field.key]}
                  onChange={(value) => onChange(withValue(policy, field, value))} />
              ))}
            </div>
          </details>
        );
      })}
      <OtherKeys rest={others(policy, groups)} policy={policy} onChange={onChange} groups={groups} />
    </Stack>
  );
}

interface InputProps {
  of: string;
  field: Field;
  value: unknown;
  titles: readonly string[];
  error?: string;
  onChange: (value: unknown) => void;
}

function FieldInput({ of, field, value, titles, error, onChange }: InputProps) {
  const { t } = useTranslation();
  const name = field.key.replaceAll(".", "_");
  const label = t(`policy.${of}.${name}.label`);
  const description = t(`policy.${of}.${name}.help`);
  const own = { label, description, error };
  const list = (value ?? []) as string[];
  const choice = (each: string) => t(`policy.choiceOf.${name}.${each}`, { defaultValue: t(`policy.choice.${each}`, { defaultValue: each }) });
  switch (field.kind) {
    case "flag":
      return <Switch {...own} checked={value === true} onChange={(event) => onChange(event.currentTarget.checked)} />;
    case "many":
      return (
        <Checkbox.Group {...own} value={list} onChange={(next) => onChange(next)}>
          <Group gap="md" mt={6}>
            {field.choices!.map((each) => <Checkbox key={each} size="xs" value={each} label={choice(each)} />)}
          </Group>
        </Checkbox.Group>
      );
    case "choice":
      return <Select {...own} data={field.choices!.map((each) => ({ value: each, label: choice(each) }))} value={String(value)} onChange={(next) => onChange(next ?? field.absent)} allowDeselect={false} />;
    case "whole":
    case "seconds":
      return (
        <NumberInput {...own} min={field.min} max={field.max} allowDecimal={field.kind === "seconds"} thousandSeparator=" "
          value={typeof value === "number" ? value : ""} placeholder={field.absent === null ? t("policy.setting") : String(field.absent)}
          onChange={(next) => onChange(next === "" ? field.absent : Number(next))} />
      );
    case "charset":
      return <Select {...own} searchable data={CHARSETS.filter((each) => each !== "GBK" || of === "store").map((each) => ({ value: each, label: t(`policy.charset.${each || "none"}`, { defaultValue: each }) }))} value={String(value)} onChange={(next) => onChange(next ?? "")} allowDeselect={false} />;
    case "syntaxes":
      return <MultiSelect {...own} searchable clearable data={SYNTAXES.map(([uid, text]) => ({ value: uid, label: text }))} value={list} onChange={onChange} placeholder={list.length === 0 ? t("policy.anySyntax") : undefined} />;
    case "titles":
    case "texts":
      return <Listed own={own} field={field} value={value} suggestions={field.kind === "titles" ? titles : []} onChange={onChange} />;
    default:
      return <TextInput {...own} value={String(value ?? "")} onChange={(event) => onChange(event.currentTarget.value)} />;
  }
}

function Listed({ own, field, value, suggestions, onChange }: { own: { label: string; description: string; error?: string }; field: Field; value: unknown; suggestions: readonly string[]; onChange: (value: unknown) => void }) {
  const { t } = useTranslation();
  const box = (more: object) => <TagsInput {...more} data={[...suggestions]} value={(value ?? []) as string[]} onChange={onChange} clearable placeholder={t("policy.addHint")} />;
  if (!field.all) return box(own);
  return (
    <Input.Wrapper {...own}>
      <SegmentedControl size="xs" my={6} aria-label={own.label} value={value === null ? "all" : "some"} onChange={(which) => onChange(which === "all" ? null : [])}
        data={[{ value: "all", label: t("policy.everything") }, { value: "some", label: t("policy.onlyThese") }]} />
      {value !== null && (
        <>
          {box({ "aria-label": own.label })}
          {(value as string[]).length === 0 && <Text size="xs" className={classes.warn} mt={4}>{t("policy.nothingAtAll")}</Text>}
        </>
      )}
    </Input.Wrapper>
  );
}
