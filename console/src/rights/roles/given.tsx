import "../words";
import "../../admin/words";
import { Button, SegmentedControl, Select, Text } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Ask, Panel, Room, Section, useAct, useAddress, When, Wrong } from "../../admin/parts";
import { api, type GrantShown } from "../../api/v1";
import { Designed } from "../../kit/states";
import { type Column, Table } from "../../kit/table";
import { useAccounts, useGrants, useHolder, usePlaces, useRoles, useTabsOf } from "./data";
import { Amounts } from "./roles";
import { ScopeForm } from "./scope-form";
import { roleName, type Scope, scopeOf, trimmed } from "./telling";

const keyOf = (row: GrantShown) => `${row.principal} ${row.role}`;

/** Roles given to one person or device, narrowed to a part of the archive. */
export function Given() {
  const { t } = useTranslation();
  const tabs = useTabsOf(t);
  const [at, go] = useAddress();
  const grants = useGrants();
  const holder = useHolder();
  const [taking, setTaking] = useState<GrantShown>();
  const rows = grants.data?.grants ?? [];
  const open = rows.find((row) => keyOf(row) === at.grant);
  const columns: Column<GrantShown>[] = [
    { key: "to", title: t("rights.given.to"), width: "minmax(160px, 1.2fr)", cell: (row) => <Text span inherit fw={600}>{holder(row.principal, t)}</Text> },
    { key: "role", title: t("rights.role"), width: "minmax(140px, 1fr)", cell: (row) => roleName(t, row.role) },
    { key: "scope", title: t("rights.given.narrow"), width: "minmax(200px, 2.4fr)", cell: (row) => <span title={scopeOf(t, row.scope as Scope)}>{scopeOf(t, row.scope as Scope)}</span> },
    { key: "since", title: t("rights.given.since"), width: "172px", cell: (row) => <When at={row.changed_at} /> },
    { key: "act", title: t("common.actions"), width: "110px", cell: (row) => <Button size="compact-xs" variant="default" onClick={(event) => { event.stopPropagation(); setTaking(row); }} aria-label={`${t("rights.given.take")} ${roleName(t, row.role)} ${holder(row.principal, t)}`}>{t("rights.given.take")}</Button> },
  ];
  const close = () => go({ form: undefined, grant: undefined });
  const add = <Button size="compact-sm" leftSection={<IconPlus size={15} />} onClick={() => go({ form: "new", grant: undefined })}>{t("rights.given.add")}</Button>;
  return (
    <Room tabs={tabs} tools={<>{add}<Text size="xs" c="dimmed">{t("rights.given.about")}</Text></>}
      panel={at.form === "new" ? <GiveForm key="new" onClose={close} /> : open && <GiveForm key={keyOf(open)} grant={open} onClose={close} />}>
      {grants.isError ? <Designed.Failed error={grants.error} retry={() => void grants.refetch()} /> : (
        <Table label={t("rights.tab.given")} columns={open || at.form ? columns.slice(0, 2) : columns} rows={rows} rowKey={keyOf} selected={at.grant} loading={grants.isLoading} onSelect={(row) => go({ grant: keyOf(row), form: undefined })}
          empty={<Designed.Empty title={t("rights.given.empty")} hint={t("rights.given.emptyHint")} action={add} />} />
      )}
      {taking && <Ask danger title={t("rights.given.takeTitle", { role: roleName(t, taking.role), who: holder(taking.principal, t) })} text={t("rights.given.takeText")} verb={t("rights.given.take")} refresh={[["grants"]]} done={t("rights.given.taken")} onClose={() => setTaking(undefined)}
        act={() => api.roles.take({ principal: taking.principal, role: taking.role })} />}
    </Room>
  );
}

function GiveForm({ grant, onClose }: { grant?: GrantShown; onClose: () => void }) {
  const { t } = useTranslation();
  const roles = useRoles();
  const accounts = useAccounts();
  const places = usePlaces();
  const holder = useHolder();
  const [kind, setKind] = useState("person");
  const [whom, setWhom] = useState<string | null>(grant?.principal ?? null);
  const [role, setRole] = useState<string | null>(grant?.role ?? null);
  const [scope, setScope] = useState<Scope>((grant?.scope as Scope | undefined) ?? {});
  const chosen = roles.data?.roles.find((each) => each.name === role);
  const save = useAct(() => api.roles.give({ body: { principal: whom ?? "", role: role ?? "", scope: trimmed(scope) } }), { done: t("rights.given.saved"), refresh: [["grants"]], onDone: onClose });
  const persons = (accounts.data?.accounts ?? []).map((each) => ({ value: each.id, label: [each.name, each.display_name].filter(Boolean).join(" · ") }));
  const devices = places.devices.map((each) => ({ value: `device:${each}`, label: each }));
  const title = grant ? holder(grant.principal, t) : t("rights.given.add");
  return (
    <form style={{ display: "contents" }} onSubmit={(event) => { event.preventDefault(); if (whom && role) save.mutate(undefined); }}>
      <Panel wide title={title} label={title} sub={t("rights.given.hint")} onClose={onClose}
        foot={<>
          <Button variant="default" onClick={onClose}>{t("common.cancel")}</Button>
          <Button type="submit" disabled={!whom || !role} loading={save.isPending}>{t("common.save")}</Button>
        </>}>
        <Wrong error={save.error} />
        {!grant && <>
          <SegmentedControl size="xs" w="fit-content" aria-label={t("rights.given.to")} value={kind} onChange={(next) => { setKind(next); setWhom(null); }} data={[{ value: "person", label: t("rights.given.person") }, { value: "device", label: t("rights.given.device") }]} />
          <Select label={t("rights.given.whom")} searchable value={whom} onChange={setWhom} data={kind === "person" ? persons : devices} nothingFoundMessage={t("common.none")} />
        </>}
        <Select label={t("rights.role")} searchable value={role} onChange={setRole} disabled={grant !== undefined} data={(roles.data?.roles ?? []).map((each) => ({ value: each.name, label: roleName(t, each.name) }))} />
        {chosen && <Amounts actions={chosen.actions} scopes={Object.keys(trimmed(scope)).length > 0 && chosen.scopes.every((each) => Object.keys(each).length === 0) ? [scope] : chosen.scopes} />}
        <Section title={t("rights.given.narrow")}>
          <Text size="xs" c="dimmed" mb={8}>{t("rights.given.narrowHelp")}</Text>
          <ScopeForm scope={scope} known={places} onChange={setScope} />
        </Section>
      </Panel>
    </form>
  );
}
