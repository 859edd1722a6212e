import "../words";
import "../../admin/words";
import { Button, Text } from "@mantine/core";
import { IconCopy, IconPencil, IconPlus, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Ask, Note, Panel, Room, Section, State, useAddress } from "../../admin/parts";
import { api, type RoleShown } from "../../api/v1";
import { Editing } from "../../kit/editing";
import { Designed } from "../../kit/states";
import { type Column, Table } from "../../kit/table";
import { useAccounts, useGrants, useHolder, useRoles, useTabsOf } from "./data";
import { RoleForm } from "./role-form";
import { actionsOf, roleName, type Scope, scopesOf } from "./telling";

/** What somebody may do, and on what: the ready roles and those of this archive. */
export function Roles() {
  const { t } = useTranslation();
  const tabs = useTabsOf(t);
  const [at, go] = useAddress();
  const roles = useRoles();
  const rows = roles.data?.roles ?? [];
  const open = rows.find((row) => row.name === at.role);
  const names = rows.map((row) => row.name);
  const close = () => go({ role: undefined, form: undefined, like: undefined });
  const made = (name: string) => go({ role: name, form: undefined, like: undefined });
  const columns: Column<RoleShown>[] = [
    { key: "name", title: t("rights.role"), width: "minmax(150px, 1fr)", cell: (row) => <Text span inherit fw={600}>{roleName(t, row.name)}</Text> },
    { key: "ready", title: "", width: "110px", cell: (row) => <State tone={row.ready ? "muted" : "busy"}>{t(row.ready ? "rights.ready" : "rights.own")}</State> },
    { key: "may", title: t("rights.may"), width: "minmax(220px, 3fr)", cell: (row) => <span title={actionsOf(t, row.actions)}>{actionsOf(t, row.actions)}</span> },
    { key: "where", title: t("rights.where"), width: "minmax(180px, 2fr)", cell: (row) => <span title={scopesOf(t, row.scopes)}>{scopesOf(t, row.scopes)}</span> },
  ];
  const add = <Button size="compact-sm" leftSection={<IconPlus size={15} />} onClick={() => go({ form: "new", role: undefined, like: undefined })}>{t("rights.add")}</Button>;
  return (
    <Room tabs={tabs} tools={<>{add}<Text size="xs" c="dimmed">{t("rights.about")}</Text></>}
      panel={at.form === "new" ? roles.data && <RoleForm key={`new${at.like ?? ""}`} like={rows.find((row) => row.name === at.like)} taken={names} onClose={close} onSaved={made} />
        : open && at.form === "edit" && !open.ready ? <Editing key={open.name} of={["role", open.name]} read={() => api.roles.one({ name: open.name })}>{(base, again) => <RoleForm role={base} taken={[]} onClose={() => go({ form: undefined })} onSaved={made} onAgain={again} />}</Editing>
        : open && <RolePanel key={open.name} of={open} onClose={close} onEdit={() => go({ form: "edit" })} onLike={() => go({ form: "new", like: open.name, role: undefined })} />}>
      {roles.isError ? <Designed.Failed error={roles.error} retry={() => void roles.refetch()} /> : (
        <Table label={t("rights.tab.roles")} columns={open || at.form ? columns.slice(0, 2) : columns} rows={rows} rowKey={(row) => row.name} selected={at.role} loading={roles.isLoading}
          onSelect={(row) => go({ role: row.name, form: undefined, like: undefined })} empty={<Designed.Empty title={t("common.none")} action={add} />} />
      )}
    </Room>
  );
}

function RolePanel({ of, onClose, onEdit, onLike }: { of: RoleShown; onClose: () => void; onEdit: () => void; onLike: () => void }) {
  const { t } = useTranslation();
  const accounts = useAccounts();
  const grants = useGrants();
  const holder = useHolder();
  const [removing, setRemoving] = useState(false);
  const help = t(`users.may.${of.name}`, { defaultValue: of.help });
  const byAccount = (accounts.data?.accounts ?? []).filter((each) => each.roles.includes(of.name));
  const byGrant = (grants.data?.grants ?? []).filter((each) => each.role === of.name);
  return (
    <Panel title={roleName(t, of.name)} label={t("rights.role")} sub={help} onClose={onClose}
      actions={<>
        {!of.ready && <Button size="compact-sm" leftSection={<IconPencil size={15} />} onClick={onEdit}>{t("rights.edit")}</Button>}
        <Button size="compact-sm" variant="default" leftSection={<IconCopy size={15} />} onClick={onLike}>{t("rights.copy")}</Button>
        {!of.ready && <Button size="compact-sm" variant="default" leftSection={<IconTrash size={15} />} onClick={() => setRemoving(true)}>{t("common.remove")}</Button>}
      </>}>
      <Amounts actions={of.actions} scopes={of.scopes} />
      {of.ready && <Text size="sm" c="dimmed">{t("rights.readyText")}</Text>}
      <Section title={t("rights.holders")}>
        {byAccount.length + byGrant.length === 0 && <Text size="sm" c="dimmed">{t("rights.nobody")}</Text>}
        {byAccount.map((each) => <Text size="sm" key={each.name}>{[each.name, each.display_name].filter(Boolean).join(" · ")}</Text>)}
        {byGrant.map((each) => <Text size="sm" key={each.principal}>{holder(each.principal, t)} <Text span c="dimmed" inherit>{scopesOf(t, [each.scope as Scope])}</Text></Text>)}
      </Section>
      {removing && <Ask danger title={t("rights.removeTitle", { name: of.name })} text={t("rights.removeText")} verb={t("common.remove")} refresh={[["roles"]]} done={t("rights.removed", { name: of.name })} onClose={() => setRemoving(false)} onDone={onClose} act={() => api.roles.remove({ name: of.name })} />}
    </Panel>
  );
}

/** A role as one sentence. */
export function Amounts({ actions, scopes }: { actions: readonly string[]; scopes: readonly Scope[] }) {
  const { t } = useTranslation();
  return <Note tone="busy" title={t("rights.amounts")}>{t("rights.sentence", { may: actionsOf(t, actions), where: scopesOf(t, scopes) })}</Note>;
}
