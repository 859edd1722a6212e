import "../words";
import { Button, Switch, Text, TextInput } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, type LocalAeAnswer } from "../../api/v1";
import { Conflict, ConflictNote, Editing, useSave } from "../../kit/editing";
import { Designed } from "../../kit/states";
import { type Column, Table } from "../../kit/table";
import { Ask, Note, Panel, Room, say, State, useAddress, When, Wrong } from "../parts";
import { AE_TITLE, faultsOf } from "./device-form";
import { differs, LOCAL, type Policy, valueOf } from "./fields";
import { PolicyForm } from "./policy-form";
import { useTabs } from "./tabs";

/** The AE titles that the archive itself answers to. */
export function Locals() {
  const { t } = useTranslation();
  const tabs = useTabs();
  const [at, go] = useAddress();
  const locals = useQuery({ queryKey: ["locals"], queryFn: () => api.locals.show() });
  const rows = locals.data?.local_aes ?? [];
  const open = rows.find((row) => row.ae_title === at.ae);
  const columns: Column<LocalAeAnswer>[] = [
    { key: "title", title: t("devices.title"), width: "minmax(140px, 1fr)", cell: (row) => <Text span inherit fw={600}>{row.ae_title}</Text> },
    { key: "state", title: t("devices.state"), width: "110px", cell: (row) => <State tone={row.enabled ? "good" : "muted"}>{t(row.enabled ? "locals.answering" : "devices.word.off")}</State> },
    { key: "description", title: t("devices.description"), width: "minmax(160px, 2fr)", cell: (row) => (row.stored ? row.description : t("locals.ofSettings")) },
    { key: "rules", title: t("locals.narrowed"), width: "minmax(160px, 2fr)", cell: (row) => LOCAL.flatMap((group) => group.fields).filter((field) => differs(row.policy, field)).map((field) => t(`policy.local.${field.key}.label`)).join(" · ") },
    { key: "changed", title: t("admin.changed"), width: "172px", cell: (row) => <When at={row.changed_at} /> },
  ];
  const close = () => go({ ae: undefined, form: undefined });
  const add = <Button size="compact-sm" leftSection={<IconPlus size={15} />} onClick={() => go({ form: "new", ae: undefined })}>{t("locals.add")}</Button>;
  return (
    <Room tabs={tabs} tools={<>{add}<Text size="xs" c="dimmed">{t("locals.about")}</Text></>}
      panel={at.form === "new" ? <LocalForm key="new" taken={rows.map((row) => row.ae_title)} onClose={close} /> : open && <Editing key={open.ae_title} of={["local", open.ae_title]} read={() => api.locals.get({ title: open.ae_title })}>{(base, again) => <LocalForm local={base} taken={[]} onClose={close} onAgain={again} />}</Editing>}>
      {locals.isError ? <Designed.Failed error={locals.error} retry={() => void locals.refetch()} /> : (
        <Table label={t("devices.tab.local")} columns={open || at.form ? columns.slice(0, 3) : columns} rows={rows} rowKey={(row) => row.ae_title} selected={at.ae} loading={locals.isLoading}
          onSelect={(row) => go({ ae: row.ae_title, form: undefined })} empty={<Designed.Empty title={t("common.none")} />} />
      )}
    </Room>
  );
}

function LocalForm({ local, taken, onClose, onAgain }: { local?: LocalAeAnswer; taken: readonly string[]; onClose: () => void; onAgain?: () => void }) {
  const { t } = useTranslation();
  const [title, setTitle] = useState(local?.ae_title ?? "");
  const [description, setDescription] = useState(local?.stored ? local.description : "");
  const [enabled, setEnabled] = useState(local?.enabled ?? true);
  const [policy, setPolicy] = useState<Policy>(local?.policy ?? {});
  const [removing, setRemoving] = useState(false);
  const name = title.trim();
  const valid = AE_TITLE.test(title) && !taken.includes(name);
  const refresh = [["locals"]] as const;
  const save = useSave({
    base: local,
    read: () => api.locals.get({ title: name }),
    write: (ifMatch) => api.locals.put({ title: name, body: { description, enabled, policy }, ifMatch }),
    values: (state) => ({
      [t("devices.description")]: state.description,
      [t("locals.enabled")]: t(state.enabled ? "rules.on" : "rules.off"),
      ...Object.fromEntries(LOCAL.flatMap((group) => group.fields).map((field) => [t(`policy.local.${field.key}.label`), valueOf(state.policy, field)])),
    }),
    refresh,
    onDone: () => { say(t("devices.saved", { title: name })); onClose(); },
  });
  const open = (policy.strangers as string[] | undefined)?.length;
  return (
    <form style={{ display: "contents" }} onSubmit={(event) => { event.preventDefault(); if (valid) save.mutate(undefined); }}>
      <Panel wide label={name || t("locals.add")} title={local ? local.ae_title : t("locals.add")} sub={t(local && !local.stored ? "locals.ofSettingsSub" : "locals.sub")} onClose={onClose}
        actions={local?.stored && <Button size="compact-sm" variant="default" leftSection={<IconTrash size={15} />} onClick={() => setRemoving(true)}>{t("common.remove")}</Button>}
        foot={<>
          <Button variant="default" onClick={onClose}>{t("common.cancel")}</Button>
          <Button type="submit" disabled={!valid} loading={save.isPending}>{t("common.save")}</Button>
        </>}>
        <ConflictNote error={save.error} onReload={() => onAgain?.()} onOver={(tag) => save.mutate(tag)} />
        <Wrong error={save.error instanceof Conflict ? null : save.error} />
        {open ? <Note tone="warn" title={t("locals.openTitle")}>{t("locals.openText")}</Note> : null}
        <TextInput label={t("devices.title")} value={title} onChange={(event) => setTitle(event.currentTarget.value)} disabled={local !== undefined} autoFocus={!local}
          error={taken.includes(name) ? t("devices.taken") : title !== "" && !AE_TITLE.test(title) ? t("devices.badTitle") : undefined} />
        <TextInput label={t("devices.description")} value={description} onChange={(event) => setDescription(event.currentTarget.value)} />
        <Switch label={t("locals.enabled")} description={t("locals.enabledHelp")} checked={enabled} onChange={(event) => setEnabled(event.currentTarget.checked)} />
        <PolicyForm of="local" groups={LOCAL} policy={policy} onChange={setPolicy} wrong={faultsOf(save.error)} open={["offered", "seen"]} />
        {removing && <Ask danger title={t("locals.removeTitle", { title: name })} text={t("locals.removeText")} verb={t("common.remove")} onClose={() => setRemoving(false)}
          act={() => api.locals.remove({ title: name })} done={t("devices.removed", { title: name })} refresh={refresh} onDone={onClose} />}
      </Panel>
    </form>
  );
}
