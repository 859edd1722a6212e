import { Button, JsonInput, NumberInput, SimpleGrid, Switch, Textarea, TextInput } from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, type RuleAnswer } from "../../api/v1";
import classes from "../admin.module.css";
import { Ask, Panel, Section, useAct, Wrong } from "../parts";
import { Trial } from "./trial";

const SAMPLE = '[\n  { "set": "InstitutionName", "value": "General Hospital" }\n]';
const MAX_NAME = 64;

/** A rule: when it holds, what it does; its condition is tried out while it is written. */
export function RuleForm({ rule, taken, onClose }: { rule?: RuleAnswer; taken: readonly string[]; onClose: () => void }) {
  const { t } = useTranslation();
  const [name, setName] = useState(rule?.name ?? "");
  const [condition, setCondition] = useState(rule?.condition ?? "");
  const [actions, setActions] = useState(rule ? JSON.stringify(rule.actions, null, 2) : SAMPLE);
  const [priority, setPriority] = useState<number | string>(rule?.priority ?? 0);
  const [enabled, setEnabled] = useState(rule?.enabled ?? true);
  const [stop, setStop] = useState(rule?.stop ?? false);
  const [removing, setRemoving] = useState(false);
  const parsed = read(actions);
  const valid = name.trim() !== "" && name.length <= MAX_NAME && !taken.includes(name.trim()) && parsed !== undefined;
  const refresh = [["rules"]] as const;
  const save = useAct(() => api.rules.putRule({ name: name.trim(), body: { condition, actions: parsed ?? [], priority: Number(priority) || 0, enabled, stop } }), { done: t("rules.saved", { name: name.trim() }), refresh, onDone: onClose });
  return (
    <form style={{ display: "contents" }} onSubmit={(event) => { event.preventDefault(); if (valid) save.mutate(undefined); }}>
      <Panel wide label={t("rules.one")} title={rule?.name ?? t("rules.add")} sub={t("rules.sub")} onClose={onClose}
        actions={rule && <Button size="compact-sm" variant="default" leftSection={<IconTrash size={15} />} onClick={() => setRemoving(true)}>{t("common.remove")}</Button>}
        foot={<>
          <Button variant="default" onClick={onClose}>{t("common.cancel")}</Button>
          <Button type="submit" disabled={!valid} loading={save.isPending}>{t("common.save")}</Button>
        </>}>
        <Wrong error={save.error} />
        <SimpleGrid cols={2}>
          <TextInput label={t("rules.name")} value={name} onChange={(event) => setName(event.currentTarget.value)} disabled={rule !== undefined} maxLength={MAX_NAME} autoFocus={!rule} error={taken.includes(name.trim()) ? t("rules.taken") : undefined} />
          <NumberInput label={t("rules.order")} description={undefined} value={priority} onChange={setPriority} min={-1000} max={1000} allowDecimal={false} />
        </SimpleGrid>
        <Textarea label={t("rules.condition")} description={t("rules.conditionHelp")} value={condition} onChange={(event) => setCondition(event.currentTarget.value)} autosize minRows={2} spellCheck={false} classNames={{ input: classes.code }} placeholder={'Modality in (CT, MR) and calling like "CT*" and not (age < 18y)'} />
        <Section title={t("rules.trial")}><Trial condition={condition} /></Section>
        <JsonInput label={t("rules.actions")} description={t("rules.actionsHelp")} value={actions} onChange={setActions} error={parsed === undefined ? t("rules.badActions") : undefined} autosize minRows={4} spellCheck={false} classNames={{ input: classes.code }} />
        <Switch label={t("rules.enabled")} checked={enabled} onChange={(event) => setEnabled(event.currentTarget.checked)} />
        <Switch label={t("rules.stop")} description={t("rules.stopHelp")} checked={stop} onChange={(event) => setStop(event.currentTarget.checked)} />
        {removing && <Ask danger title={t("rules.removeTitle", { name })} text={t("rules.removeText")} verb={t("common.remove")} onClose={() => setRemoving(false)}
          act={() => api.rules.removeRule({ name })} done={t("devices.removed", { title: name })} refresh={refresh} onDone={onClose} />}
      </Panel>
    </form>
  );
}

function read(text: string): Record<string, unknown>[] | undefined {
  try {
    const found: unknown = JSON.parse(text);
    return Array.isArray(found) && found.every((each) => typeof each === "object" && each !== null) ? found : undefined;
  } catch {
    return undefined;
  }
}
