import { Button, NumberInput, SimpleGrid, Switch, TextInput } from "@mantine/core";
import { IconCode, IconTrash } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, type RuleAnswer } from "../../api/v1";
import { Conflict, ConflictNote, useSave } from "../../kit/editing";
import { Ask, Note, Panel, say, Section, Wrong } from "../parts";
import { type Action, ActionForm, complete, toldAction } from "./action-form";
import { ConditionForm } from "./condition-form";
import { tests, told } from "./tests";
import { Trial } from "./trial";

const MAX_NAME = 64;

/** A rule: when it holds, what it does, said as a sentence while it is written; its condition is tried out beside. */
export function RuleForm({ rule, taken, onClose, onAgain }: { rule?: RuleAnswer; taken: readonly string[]; onClose: () => void; onAgain?: () => void }) {
  const { t } = useTranslation();
  const [name, setName] = useState(rule?.name ?? "");
  const [condition, setCondition] = useState(rule?.condition ?? "");
  const [actions, setActions] = useState<Action[]>(rule?.actions ?? [{ set: "", value: "" }]);
  const [priority, setPriority] = useState<number | string>(rule?.priority ?? 0);
  const [enabled, setEnabled] = useState(rule?.enabled ?? true);
  const [stop, setStop] = useState(rule?.stop ?? false);
  const [expert, setExpert] = useState(false);
  const [removing, setRemoving] = useState(false);
  const devices = useQuery({ queryKey: ["devices"], queryFn: () => api.devices.show() });
  const key = name.trim();
  const valid = key !== "" && name.length <= MAX_NAME && !taken.includes(key) && complete(actions);
  const refresh = [["rules"]] as const;
  const said = (list: readonly Action[]) => list.map((each) => toldAction(t, each)).join(t("tell.comma"));
  const save = useSave({
    base: rule,
    read: () => api.rules.rule({ name: key }),
    write: (ifMatch) => api.rules.putRule({ name: key, body: { condition, actions, priority: Number(priority) || 0, enabled, stop }, ifMatch }),
    values: (state) => ({ [t("rules.condition")]: state.condition, [t("rules.actions")]: said(state.actions), [t("rules.order")]: state.priority, [t("rules.enabled")]: t(state.enabled ? "rules.on" : "rules.off"), [t("rules.stop")]: t(state.stop ? "rules.on" : "rules.off") }),
    refresh,
    onDone: () => { say(t("rules.saved", { name: key })); onClose(); },
  });
  const list = tests(condition);
  const when = condition.trim() === "" ? t("tell.always") : t("tell.when", { tests: list ? told(t, list) : condition });
  return (
    <form style={{ display: "contents" }} onSubmit={(event) => { event.preventDefault(); if (valid) save.mutate(undefined); }}>
      <Panel wide label={t("rules.one")} title={rule?.name ?? t("rules.add")} sub={t("rules.sub")} onClose={onClose}
        actions={<>
          <Button size="compact-sm" variant="default" leftSection={<IconCode size={15} />} aria-pressed={expert} onClick={() => setExpert(!expert)}>{t(expert ? "tell.plain" : "tell.expert")}</Button>
          {rule && <Button size="compact-sm" variant="default" leftSection={<IconTrash size={15} />} onClick={() => setRemoving(true)}>{t("common.remove")}</Button>}
        </>}
        foot={<>
          <Button variant="default" onClick={onClose}>{t("common.cancel")}</Button>
          <Button type="submit" disabled={!valid} loading={save.isPending}>{t("common.save")}</Button>
        </>}>
        <ConflictNote error={save.error} onReload={() => onAgain?.()} onOver={(tag) => save.mutate(tag)} />
        <Wrong error={save.error instanceof Conflict ? null : save.error} />
        <Note tone="busy" title={t("forward.sentence")}><span data-testid="sentence">{t("tell.then", { when, actions: said(actions) || t("tell.nothing") })}</span></Note>
        <SimpleGrid cols={2}>
          <TextInput label={t("rules.name")} value={name} onChange={(event) => setName(event.currentTarget.value)} disabled={rule !== undefined} maxLength={MAX_NAME} autoFocus={!rule} error={taken.includes(key) ? t("rules.taken") : undefined} />
          <NumberInput label={t("rules.order")} value={priority} onChange={setPriority} min={-1000} max={1000} allowDecimal={false} />
        </SimpleGrid>
        <ConditionForm condition={condition} onChange={setCondition} expert={expert} titles={(devices.data?.devices ?? []).map((each) => each.ae_title)} />
        <ActionForm key={String(expert)} actions={actions} onChange={setActions} expert={expert} />
        <Section title={t("rules.trial")}><Trial condition={condition} /></Section>
        <Switch label={t("rules.enabled")} checked={enabled} onChange={(event) => setEnabled(event.currentTarget.checked)} />
        <Switch label={t("rules.stop")} description={t("rules.stopHelp")} checked={stop} onChange={(event) => setStop(event.currentTarget.checked)} />
        {removing && <Ask danger title={t("rules.removeTitle", { name })} text={t("rules.removeText")} verb={t("common.remove")} onClose={() => setRemoving(false)}
          act={() => api.rules.removeRule({ name })} done={t("devices.removed", { title: name })} refresh={refresh} onDone={onClose} />}
      </Panel>
    </form>
  );
}
