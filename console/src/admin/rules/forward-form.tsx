import { Button, NumberInput, SegmentedControl, Select, SimpleGrid, Switch, TagsInput, Text, TextInput } from "@mantine/core";
import { IconCode, IconTrash } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, type ForwardRuleAnswer, type ForwardRuleAsked } from "../../api/v1";
import { Conflict, ConflictNote, useSave } from "../../kit/editing";
import type { Say } from "../../rights/audit/telling";
import classes from "../admin.module.css";
import { Ask, Note, Panel, say, Section, useAct, Wrong } from "../parts";
import { ConditionForm } from "./condition-form";
import { tests, told } from "./tests";

const MAX_NAME = 64;
const MINUTE_S = 60;

/** A rule of sending on as one sentence. */
export function toldRule(t: Say, rule: Pick<ForwardRuleAnswer, "event" | "condition" | "destinations" | "delay_s" | "commit" | "stop">): string {
  const list = tests(rule.condition);
  const holds = rule.condition.trim() === "" ? "" : t("tell.with") + (list ? told(t, list) : rule.condition);
  const more = [rule.delay_s > 0 && t("tell.later", { minutes: Math.round(rule.delay_s / MINUTE_S) }), rule.commit && t("tell.commit"), rule.stop && t("tell.stop")].filter(Boolean).join("");
  return t("tell.send", { when: t(rule.event === "arrival" ? "tell.whenArrives" : "tell.whenComplete"), tests: holds, to: rule.destinations.join(t("common.listComma")) || t("tell.nobody"), more });
}

/** A rule of sending on: when, what, where to; said as a sentence while it is written, and tried on the last studies. */
export function ForwardForm({ rule, taken, onClose, onAgain }: { rule?: ForwardRuleAnswer; taken: readonly string[]; onClose: () => void; onAgain?: () => void }) {
  const { t } = useTranslation();
  const [name, setName] = useState(rule?.name ?? "");
  const [body, setBody] = useState<Required<ForwardRuleAsked>>({
    event: rule?.event ?? "complete", condition: rule?.condition ?? "", destinations: rule?.destinations ?? [], rank: rule?.rank ?? 0, stop: rule?.stop ?? false, priority: rule?.priority ?? null, commit: rule?.commit ?? false, delay_s: rule?.delay_s ?? 0, enabled: rule?.enabled ?? true,
  });
  const [expert, setExpert] = useState(false);
  const [removing, setRemoving] = useState(false);
  const devices = useQuery({ queryKey: ["devices"], queryFn: () => api.devices.show() });
  const titles = (devices.data?.devices ?? []).map((each) => each.ae_title);
  const change = (part: Partial<typeof body>) => setBody({ ...body, ...part });
  const key = name.trim();
  const valid = key !== "" && !taken.includes(key) && body.destinations.length > 0;
  const refresh = [["forward-rules"]] as const;
  const yes = (on: boolean) => t(on ? "rules.on" : "rules.off");
  const save = useSave({
    base: rule,
    read: () => api.forwarding.show({ name: key }),
    write: (ifMatch) => api.forwarding.put({ name: key, body, ifMatch }),
    values: (state) => ({
      [t("forward.event")]: t(`forward.events.${state.event}`), [t("rules.condition")]: state.condition, [t("forward.to")]: state.destinations, [t("forward.rank")]: state.rank, [t("forward.priority")]: state.priority && t(`forward.priorities.${state.priority}`),
      [t("forward.delay")]: state.delay_s / MINUTE_S, [t("forward.commit")]: yes(state.commit), [t("rules.stop")]: yes(state.stop), [t("rules.enabled")]: yes(state.enabled),
    }),
    refresh,
    onDone: () => { say(t("rules.saved", { name: key })); onClose(); },
  });
  const trial = useAct(() => api.forwarding.tryOut({ body: { rule: body } }));
  return (
    <form style={{ display: "contents" }} onSubmit={(event) => { event.preventDefault(); if (valid) save.mutate(undefined); }}>
      <Panel wide label={t("rules.one")} title={rule?.name ?? t("forward.add")} sub={t("rules.sub")} onClose={onClose}
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
        <Note tone="busy" title={t("forward.sentence")}><span data-testid="sentence">{toldRule(t, body)}</span></Note>
        <SimpleGrid cols={2}>
          <TextInput label={t("rules.name")} value={name} onChange={(event) => setName(event.currentTarget.value)} disabled={rule !== undefined} maxLength={MAX_NAME} autoFocus={!rule} error={taken.includes(key) ? t("rules.taken") : undefined} />
          <NumberInput label={t("forward.rank")} value={body.rank} onChange={(rank) => change({ rank: Number(rank) || 0 })} min={-1000} max={1000} allowDecimal={false} />
        </SimpleGrid>
        <div>
          <Text size="sm" fw={500} mb={4} id="forward-event">{t("forward.event")}</Text>
          <SegmentedControl size="xs" value={body.event} onChange={(event) => change({ event: event as ForwardRuleAsked["event"] })} aria-labelledby="forward-event" data={["arrival", "complete"].map((value) => ({ value, label: t(`forward.events.${value}`) }))} />
        </div>
        <ConditionForm condition={body.condition} onChange={(condition) => change({ condition })} expert={expert} titles={titles} />
        {devices.data && titles.length === 0 ? <Note tone="warn">{t("forward.noDevice")}</Note> : <TagsInput label={t("forward.to")} data={titles} value={body.destinations} onChange={(destinations) => change({ destinations: destinations.filter((each) => titles.includes(each)) })} required />}
        <SimpleGrid cols={2}>
          <Select label={t("forward.priority")} clearable placeholder={t("forward.ofDevice")} value={body.priority ?? null} onChange={(priority) => change({ priority: priority as ForwardRuleAsked["priority"] })} data={["low", "medium", "high"].map((value) => ({ value, label: t(`forward.priorities.${value}`) }))} />
          <NumberInput label={t("forward.delay")} value={body.delay_s / MINUTE_S} onChange={(minutes) => change({ delay_s: (Number(minutes) || 0) * MINUTE_S })} min={0} max={10_080} />
        </SimpleGrid>
        <Switch label={t("forward.commit")} checked={body.commit} onChange={(event) => change({ commit: event.currentTarget.checked })} />
        <Switch label={t("rules.stop")} description={t("rules.stopHelp")} checked={body.stop} onChange={(event) => change({ stop: event.currentTarget.checked })} />
        <Switch label={t("rules.enabled")} checked={body.enabled} onChange={(event) => change({ enabled: event.currentTarget.checked })} />
        <Section title={t("forward.trial")}>
          <Button size="compact-sm" variant="default" disabled={body.destinations.length === 0} loading={trial.isPending} onClick={() => trial.mutate(undefined)} mb={8}>{t("forward.tryOut")}</Button>
          <div aria-live="polite">
            <Wrong error={trial.error} />
            {trial.data && <Tried of={trial.data.studies} complete={trial.data.complete} />}
          </div>
        </Section>
        {removing && <Ask danger title={t("rules.removeTitle", { name })} text={t("rules.removeText")} verb={t("common.remove")} onClose={() => setRemoving(false)} act={() => api.forwarding.remove({ name })} done={t("devices.removed", { title: name })} refresh={refresh} onDone={onClose} />}
      </Panel>
    </form>
  );
}

function Tried({ of, complete }: { of: { study_uid: string; objects: number; sent: Record<string, number>; already: Record<string, number> }[]; complete: boolean }) {
  const { t } = useTranslation();
  const some = of.filter((each) => Object.values(each.sent).some((count) => count > 0));
  if (some.length === 0) return <Text size="sm" c="dimmed">{t("forward.none")}</Text>;
  const objects = some.reduce((sum, each) => sum + Math.max(...Object.values(each.sent)), 0);
  return (
    <>
      <Text size="sm" mb={6}>{t("forward.tried", { count: some.length, objects })} {!complete && t("forward.part")}</Text>
      <table className={classes.plain}>
        <thead><tr><th>{t("forward.study")}</th><th>{t("forward.to")}</th><th className={classes.num}>{t("forward.objects")}</th></tr></thead>
        <tbody>{some.slice(0, 20).flatMap((each) => Object.entries(each.sent).map(([to, count]) => <tr key={each.study_uid + to}><td className={classes.code}>{each.study_uid}</td><td>{to}{each.already[to] ? <Text span c="dimmed" inherit> · {t("forward.already")}: {each.already[to]}</Text> : null}</td><td className={classes.num}>{count}</td></tr>))}</tbody>
      </table>
    </>
  );
}
