import "../words";
import { Button, SimpleGrid, Text, TextInput } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, type PolicyAnswer } from "../../api/v1";
import { Conflict, ConflictNote, Editing, useSave } from "../../kit/editing";
import { Designed } from "../../kit/states";
import { type Column, Table } from "../../kit/table";
import { faultsOf } from "../devices/device-form";
import type { Say } from "../../rights/audit/telling";
import { differs, type Policy, STORE, valueOf } from "../devices/fields";
import { PolicyForm } from "../devices/policy-form";
import { Ask, Panel, Room, say, useAddress, When, Wrong } from "../parts";
import { useTabs } from "./rules";

const keyOf = (row: PolicyAnswer) => `${row.calling}|${row.called}`;

/** A value of a policy as its form names it. */
function shown(t: Say, key: string, value: unknown): string {
  const one = (each: unknown) => t(`policy.choiceOf.${key}.${String(each)}`, { defaultValue: t(`policy.choice.${String(each)}`, { defaultValue: String(each) }) });
  return Array.isArray(value) ? value.map(one).join(t("common.listComma")) : one(value);
}

/** How objects are filed, by sender. */
export function Storing() {
  const { t } = useTranslation();
  const tabs = useTabs();
  const [at, go] = useAddress();
  const policies = useQuery({ queryKey: ["store-policies"], queryFn: () => api.rules.policies() });
  const rows = policies.data?.policies ?? [];
  const open = rows.find((row) => keyOf(row) === at.pair);
  const anybody = (title: string) => (title === "*" ? t("rules.anybody") : title);
  const columns: Column<PolicyAnswer>[] = [
    { key: "calling", title: t("rules.sender"), width: "minmax(150px, 1fr)", cell: (row) => anybody(row.calling) },
    { key: "called", title: t("rules.to"), width: "minmax(150px, 1fr)", cell: (row) => anybody(row.called) },
    { key: "policy", title: t("devices.rules"), width: "minmax(220px, 3fr)", cell: (row) => STORE.flatMap((group) => group.fields).filter((field) => differs(row.policy, field)).map((field) => `${t(`policy.store.${field.key}.label`)}: ${shown(t, field.key, valueOf(row.policy, field))}`).join(" · ") },
    { key: "changed", title: t("admin.changed"), width: "172px", cell: (row) => <When at={row.changed_at} /> },
  ];
  const close = () => go({ pair: undefined, form: undefined });
  const add = <Button size="compact-sm" leftSection={<IconPlus size={15} />} onClick={() => go({ form: "new", pair: undefined })}>{t("rules.addPolicy")}</Button>;
  return (
    <Room tabs={tabs} tools={<>{add}<Text size="xs" c="dimmed">{t("rules.storingAbout")}</Text></>}
      panel={at.form === "new" ? <StoreForm key="new" onClose={close} /> : open && <Editing key={keyOf(open)} of={["store-policy", keyOf(open)]} read={() => api.rules.policy({ calling: open.calling, called: open.called })}>{(base, again) => <StoreForm row={base} onClose={close} onAgain={again} />}</Editing>}>
      {policies.isError ? <Designed.Failed error={policies.error} retry={() => void policies.refetch()} /> : (
        <Table label={t("rules.tab.storing")} columns={open || at.form ? columns.slice(0, 2) : columns} rows={rows} rowKey={keyOf} selected={at.pair} onSelect={(row) => go({ pair: keyOf(row), form: undefined })} loading={policies.isLoading}
          empty={<Designed.Empty title={t("rules.noPolicy")} hint={t("rules.noPolicyHint")} action={add} />} />
      )}
    </Room>
  );
}

function StoreForm({ row, onClose, onAgain }: { row?: PolicyAnswer; onClose: () => void; onAgain?: () => void }) {
  const { t } = useTranslation();
  const [calling, setCalling] = useState(row?.calling ?? "");
  const [called, setCalled] = useState(row?.called ?? "*");
  const [policy, setPolicy] = useState<Policy>(row?.policy ?? {});
  const [removing, setRemoving] = useState(false);
  const pair = { calling: calling.trim() || "*", called: called.trim() || "*" };
  const refresh = [["store-policies"]] as const;
  const save = useSave({
    base: row,
    read: () => api.rules.policy(pair),
    write: (ifMatch) => api.rules.putPolicy({ ...pair, body: { policy }, ifMatch }),
    values: (state) => Object.fromEntries(STORE.flatMap((group) => group.fields).map((field) => [t(`policy.store.${field.key}.label`), shown(t, field.key, valueOf(state.policy, field))])),
    refresh,
    onDone: () => { say(t("rules.policySaved")); onClose(); },
  });
  const title = row ? `${row.calling} → ${row.called}` : t("rules.addPolicy");
  return (
    <form style={{ display: "contents" }} onSubmit={(event) => { event.preventDefault(); save.mutate(undefined); }}>
      <Panel wide title={title} label={title} sub={t("rules.storingSub")} onClose={onClose}
        actions={row && <Button size="compact-sm" variant="default" leftSection={<IconTrash size={15} />} onClick={() => setRemoving(true)}>{t("common.remove")}</Button>}
        foot={<>
          <Button variant="default" onClick={onClose}>{t("common.cancel")}</Button>
          <Button type="submit" loading={save.isPending}>{t("common.save")}</Button>
        </>}>
        <ConflictNote error={save.error} onReload={() => onAgain?.()} onOver={(tag) => save.mutate(tag)} />
        <Wrong error={save.error instanceof Conflict ? null : save.error} />
        <SimpleGrid cols={2}>
          <TextInput label={t("rules.sender")} description={t("rules.star")} value={calling} onChange={(event) => setCalling(event.currentTarget.value)} placeholder="*" disabled={row !== undefined} autoFocus={!row} />
          <TextInput label={t("rules.to")} description={t("rules.star")} value={called} onChange={(event) => setCalled(event.currentTarget.value)} disabled={row !== undefined} />
        </SimpleGrid>
        <PolicyForm of="store" groups={STORE} policy={policy} onChange={setPolicy} wrong={faultsOf(save.error)} open={["same"]} />
        {removing && <Ask danger title={t("rules.removePolicyTitle")} text={t("rules.removePolicyText")} verb={t("common.remove")} onClose={() => setRemoving(false)}
          act={() => api.rules.removePolicy(pair)} done={t("devices.removed", { title })} refresh={refresh} onDone={onClose} />}
      </Panel>
    </form>
  );
}
