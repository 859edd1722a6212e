import "./words";
import { Button, Modal, NumberInput, Stack, Switch, TagsInput, Text, TextInput } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, type WebhookAnswer, type WebhookDeliveryAnswer } from "../api/v1";
import { Conflict, ConflictNote, Editing, useSave } from "../kit/editing";
import { Designed } from "../kit/states";
import { type Column, Table } from "../kit/table";
import classes from "./admin.module.css";
import { Ask, Facts, Note, Panel, Room, say, Secret, Section, State, useAct, useAddress, When, Wrong } from "./parts";
import { TONES } from "./queues/deliveries";

const KINDS = ["InstancesStored", "InstancesDeleted", "InstancesRestored", "ObjectQuarantined", "StudyQuiet", "StudyComplete", "AttributesCorrected", "DeliveryEnded", "CommitmentReported", "CommitmentAnswered", "OrderScheduled", "OrderCancelled", "StepChanged", "StepPerformed", "WorkitemChanged", "AvailabilityNotified", "AuditAlert"];

/** Programs that are told what happens: their log, their secret, a test. */
export function Webhooks() {
  const { t } = useTranslation();
  const [at, go] = useAddress();
  const hooks = useQuery({ queryKey: ["webhooks"], queryFn: () => api.webhooks.show(), refetchInterval: 5000 });
  const [secret, setSecret] = useState<string>();
  const rows = hooks.data?.webhooks ?? [];
  const open = rows.find((row) => String(row.id) === at.hook);
  const columns: Column<WebhookAnswer>[] = [
    { key: "url", title: t("webhooks.url"), width: "minmax(220px, 2fr)", cell: (row) => <span className={classes.code}>{row.url}</span> },
    { key: "state", title: t("devices.state"), width: "110px", cell: (row) => <State tone={row.enabled ? "good" : "muted"}>{t(row.enabled ? "rules.on" : "rules.off")}</State> },
    { key: "waiting", title: t("queues.state.waiting"), width: "90px", numeric: true, cell: (row) => row.waiting },
    { key: "description", title: t("devices.description"), width: "minmax(130px, 1.4fr)", cell: (row) => row.description },
    { key: "kinds", title: t("webhooks.kinds"), width: "minmax(150px, 1.6fr)", cell: (row) => (row.kinds.length === 0 ? t("policy.everything") : row.kinds.join(", ")) },
    { key: "at", title: t("webhooks.since"), width: "172px", cell: (row) => <When at={row.created_at} /> },
  ];
  const close = () => go({ hook: undefined, form: undefined });
  const add = <Button size="compact-sm" leftSection={<IconPlus size={15} />} onClick={() => go({ form: "new", hook: undefined })}>{t("webhooks.add")}</Button>;
  return (
    <Room tools={<>{add}<Text size="xs" c="dimmed">{t("webhooks.about")}</Text></>}
      panel={at.form === "new" ? <HookForm key="new" onClose={close} onMade={setSecret} /> : open && (at.form === "edit" ? <Editing key={`e${open.id}`} of={["webhook", String(open.id)]} read={() => api.webhooks.get({ pk: open.id })}>{(base, again) => <HookForm hook={base} onClose={() => go({ form: undefined })} onMade={setSecret} onAgain={again} />}</Editing>
        : <HookPanel key={open.id} of={open} onEdit={() => go({ form: "edit" })} onSecret={setSecret} onClose={close} />)}>
      {hooks.isError ? <Designed.Failed error={hooks.error} retry={() => void hooks.refetch()} /> : (
        <Table label={t("room.webhooks")} columns={open || at.form ? columns.slice(0, 3) : columns} rows={rows} rowKey={(row) => String(row.id)} selected={at.hook} onSelect={(row) => go({ hook: String(row.id), form: undefined })} loading={hooks.isLoading}
          empty={<Designed.Empty title={t("webhooks.empty")} hint={t("webhooks.emptyHint")} action={add} />} />
      )}
      <Modal closeButtonProps={{ "aria-label": t("common.close") }} opened={secret !== undefined} onClose={() => setSecret(undefined)} title={t("webhooks.secret")} closeOnClickOutside={false}>
        <Stack><Secret text={t("webhooks.secretText")} value={secret ?? ""} /><Button onClick={() => setSecret(undefined)}>{t("admin.kept")}</Button></Stack>
      </Modal>
    </Room>
  );
}

function HookForm({ hook, onClose, onMade, onAgain }: { hook?: WebhookAnswer; onClose: () => void; onMade: (secret: string) => void; onAgain?: () => void }) {
  const { t } = useTranslation();
  const [url, setUrl] = useState(hook?.url ?? "https://");
  const [description, setDescription] = useState(hook?.description ?? "");
  const [kinds, setKinds] = useState(hook?.kinds ?? []);
  const [enabled, setEnabled] = useState(hook?.enabled ?? true);
  const body = { url: url.trim(), description, kinds, condition: hook?.condition ?? {}, enabled };
  const save = useSave({
    base: hook,
    read: () => api.webhooks.get({ pk: hook!.id }),
    write: async (ifMatch) => (hook ? void (await api.webhooks.put({ pk: hook.id, body, ifMatch })) : (await api.webhooks.add({ body })).secret),
    values: (state) => ({ [t("webhooks.url")]: state.url, [t("devices.description")]: state.description, [t("webhooks.kinds")]: state.kinds, [t("rules.enabled")]: t(state.enabled ? "rules.on" : "rules.off") }),
    refresh: [["webhooks"]],
    onDone: (secret) => { say(t("webhooks.saved")); onClose(); if (secret) onMade(secret); },
  });
  const title = hook ? t("webhooks.edit") : t("webhooks.add");
  return (
    <form style={{ display: "contents" }} onSubmit={(event) => { event.preventDefault(); save.mutate(undefined); }}>
      <Panel title={title} label={title} onClose={onClose} foot={<>
        <Button variant="default" onClick={onClose}>{t("common.cancel")}</Button>
        <Button type="submit" disabled={!/^https?:\/\/.+/.test(url)} loading={save.isPending}>{t("common.save")}</Button>
      </>}>
        <ConflictNote error={save.error} onReload={() => onAgain?.()} onOver={(tag) => save.mutate(tag)} />
        <Wrong error={save.error instanceof Conflict ? null : save.error} />
        <TextInput label={t("webhooks.url")} description={t("webhooks.urlHelp")} value={url} onChange={(event) => setUrl(event.currentTarget.value)} autoFocus />
        <TextInput label={t("devices.description")} value={description} onChange={(event) => setDescription(event.currentTarget.value)} />
        <TagsInput label={t("webhooks.kinds")} description={t("webhooks.kindsHelp")} data={KINDS} value={kinds} onChange={setKinds} />
        {hook && <Switch label={t("rules.enabled")} description={t("webhooks.enabledHelp")} checked={enabled} onChange={(event) => setEnabled(event.currentTarget.checked)} />}
      </Panel>
    </form>
  );
}

function HookPanel({ of, onEdit, onSecret, onClose }: { of: WebhookAnswer; onEdit: () => void; onSecret: (secret: string) => void; onClose: () => void }) {
  const { t } = useTranslation();
  const [asked, setAsked] = useState<"rotate" | "remove">();
  const [hours, setHours] = useState<number | string>(24);
  const refresh = [["webhooks"], ["webhook-log"]] as const;
  const test = useAct(() => api.webhooks.test({ pk: of.id }), { refresh });
  const got = test.data;
  return (
    <Panel wide title={of.description || of.url} label={t("webhooks.one")} sub={<span className={classes.code}>{of.url}</span>} onClose={onClose}
      actions={<>
        <Button size="compact-sm" loading={test.isPending} onClick={() => test.mutate(undefined)}>{t("webhooks.test")}</Button>
        <Button size="compact-sm" variant="default" onClick={onEdit}>{t("devices.edit")}</Button>
        <Button size="compact-sm" variant="default" onClick={() => setAsked("rotate")}>{t("webhooks.rotate")}</Button>
        <Button size="compact-sm" variant="default" onClick={() => setAsked("remove")}>{t("common.remove")}</Button>
      </>}>
      <div aria-live="polite">
        <Wrong error={test.error} />
        {got && <Note tone={got.state === "delivered" ? "good" : "bad"} title={t(got.state === "delivered" ? "webhooks.testFine" : "webhooks.testFailed")}>{answerOf(got)}</Note>}
      </div>
      <Facts of={[
        [t("devices.state"), <State key="s" tone={of.enabled ? "good" : "muted"}>{t(of.enabled ? "rules.on" : "rules.off")}</State>],
        [t("webhooks.kinds"), of.kinds.length === 0 ? t("policy.everything") : of.kinds.join(", ")],
        [t("webhooks.condition"), Object.entries(of.condition).map(([key, values]) => `${key}: ${values.join(", ")}`).join(" · ")],
        [t("queues.state.waiting"), of.waiting || ""],
        [t("webhooks.former"), of.former_until && <When key="f" at={of.former_until} ago />],
        [t("webhooks.since"), <When key="c" at={of.created_at} ago />],
      ]} />
      <Section title={t("webhooks.log")}><Log pk={of.id} /></Section>
      {asked === "rotate" && <Ask title={t("webhooks.rotateTitle")} verb={t("webhooks.rotate")} refresh={refresh} onClose={() => setAsked(undefined)}
        text={<Stack gap="sm"><span>{t("webhooks.rotateText")}</span><NumberInput label={t("webhooks.overlap")} value={hours} onChange={setHours} min={0} max={720} /></Stack>}
        act={async () => onSecret((await api.webhooks.rotate({ pk: of.id, body: { overlap_hours: Number(hours) || 0 } })).secret)} />}
      {asked === "remove" && <Ask danger title={t("webhooks.removeTitle")} text={t("webhooks.removeText", { count: of.waiting })} verb={t("common.remove")} refresh={refresh} onClose={() => setAsked(undefined)} onDone={onClose} done={t("webhooks.removed")}
        act={() => api.webhooks.remove({ pk: of.id })} />}
    </Panel>
  );
}

const answerOf = (of: WebhookDeliveryAnswer) => [of.status !== null && `HTTP ${of.status}`, of.trouble, of.took_ms !== null && `${of.took_ms} ms`].filter(Boolean).join(" · ");

function Log({ pk }: { pk: number }) {
  const { t } = useTranslation();
  const log = useQuery({ queryKey: ["webhook-log", pk], queryFn: () => api.webhooks.log({ pk, query: { limit: 100 } }), refetchInterval: 5000 });
  const again = useAct((delivery: number) => api.webhooks.retry({ pk, delivery }), { done: t("webhooks.again"), refresh: [["webhook-log"]], loud: true });
  if (log.isLoading) return <Designed.Skeleton rows={3} />;
  if (log.isError) return <Designed.Failed error={log.error} />;
  const rows = log.data?.deliveries ?? [];
  if (rows.length === 0) return <Text size="sm" c="dimmed">{t("webhooks.noLog")}</Text>;
  return (
    <table className={classes.plain}>
      <thead><tr><th>{t("recorder.at")}</th><th>{t("webhooks.event")}</th><th>{t("devices.state")}</th><th>{t("queues.answer")}</th><th>{t("common.actions")}</th></tr></thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.id}>
            <td><When at={row.created_at} /></td>
            <td>{row.kind}{row.seq > 0 && <span className={classes.muted}> #{row.seq}</span>}</td>
            <td><State tone={TONES[row.state] ?? "muted"}>{t(`queues.state.${row.state}`, { defaultValue: row.state })}</State></td>
            <td>{answerOf(row)}</td>
            <td>{row.state === "failed" && <Button size="compact-xs" variant="default" onClick={() => again.mutate(row.id)}>{t("webhooks.retry")}</Button>}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
