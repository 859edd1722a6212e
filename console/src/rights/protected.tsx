import "./words";
import "../admin/words";
import { Button, SegmentedControl, Text, TextInput } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Ask, Panel, Room, State, useAct, useAddress, When, Wrong } from "../admin/parts";
import { api } from "../api/v1";
import { Designed } from "../kit/states";
import { type Column, Table } from "../kit/table";
import { useHolder, useTabsOf } from "./roles/data";

interface ProtectedRow {
  kind: string;
  why: string;
  by: string;
  at: string;
  patient_id: string | null;
  issuer: string | null;
}

interface GlassRow {
  pk: number;
  principal: string;
  name: string;
  reason: string;
  at: string;
  expires_at: string;
  ended_by: string;
  patient_id: string | null;
  issuer: string | null;
}

const idOf = (row: { patient_id: string | null; issuer: string | null }) => [row.patient_id ?? "", row.issuer ?? ""].filter(Boolean).join(" · ");

/** Patients whose records are out of sight of everybody without the right. */
export function Protected() {
  const { t } = useTranslation();
  const tabs = useTabsOf(t);
  const [at, go] = useAddress();
  const holder = useHolder();
  const found = useQuery({ queryKey: ["protected"], queryFn: async () => (await api.roles.protected()) as unknown as ProtectedRow[] });
  const [taking, setTaking] = useState<ProtectedRow>();
  const columns: Column<ProtectedRow>[] = [
    { key: "id", title: t("study.id"), width: "minmax(150px, 1.2fr)", cell: (row) => <Text span inherit fw={600}>{idOf(row)}</Text> },
    { key: "kind", title: t("rights.protected.kind"), width: "minmax(120px, 0.8fr)", cell: (row) => t(`rights.protected.kinds.${row.kind}`, { defaultValue: row.kind }) },
    { key: "why", title: t("rights.protected.why"), width: "minmax(180px, 2fr)", cell: (row) => <span title={row.why}>{row.why}</span> },
    { key: "by", title: t("rights.protected.by"), width: "minmax(120px, 1fr)", cell: (row) => holder(row.by, t) },
    { key: "at", title: t("rights.protected.since"), width: "172px", cell: (row) => <When at={row.at} /> },
    { key: "act", title: t("common.actions"), width: "160px", cell: (row) => <Button size="compact-xs" variant="default" onClick={(event) => { event.stopPropagation(); setTaking(row); }} aria-label={`${t("rights.protected.take")} ${idOf(row)}`}>{t("rights.protected.take")}</Button> },
  ];
  const add = <Button size="compact-sm" leftSection={<IconPlus size={15} />} onClick={() => go({ form: "new" })}>{t("rights.protected.add")}</Button>;
  return (
    <Room tabs={tabs} tools={<>{add}<Text size="xs" c="dimmed">{t("rights.protected.about")}</Text></>} panel={at.form === "new" && <ProtectForm onClose={() => go({ form: undefined })} />}>
      {found.isError ? <Designed.Failed error={found.error} retry={() => void found.refetch()} /> : (
        <Table label={t("rights.tab.protected")} columns={at.form ? columns.slice(0, 3) : columns} rows={found.data ?? []} rowKey={idOf} loading={found.isLoading} empty={<Designed.Empty title={t("rights.protected.empty")} hint={t("rights.protected.emptyHint")} action={add} />} />
      )}
      {taking && <Ask danger title={t("rights.protected.takeTitle", { id: taking.patient_id })} text={t("rights.protected.takeText")} verb={t("rights.protected.take")} refresh={[["protected"]]} done={t("rights.protected.taken")} onClose={() => setTaking(undefined)}
        act={() => api.roles.unprotect({ query: { patient_id: taking.patient_id ?? "", issuer: taking.issuer ?? "" } })} />}
    </Room>
  );
}

function ProtectForm({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const [id, setId] = useState("");
  const [issuer, setIssuer] = useState("");
  const [kind, setKind] = useState("vip");
  const [why, setWhy] = useState("");
  const save = useAct(() => api.roles.protect({ body: { patient_id: id.trim(), issuer: issuer.trim(), kind, why: why.trim() } }), { done: t("rights.protected.saved"), refresh: [["protected"]], onDone: onClose });
  return (
    <form style={{ display: "contents" }} onSubmit={(event) => { event.preventDefault(); if (id.trim()) save.mutate(undefined); }}>
      <Panel title={t("rights.protected.add")} label={t("rights.protected.add")} sub={t("rights.protected.about")} onClose={onClose}
        foot={<>
          <Button variant="default" onClick={onClose}>{t("common.cancel")}</Button>
          <Button type="submit" disabled={!id.trim()} loading={save.isPending}>{t("rights.protected.add")}</Button>
        </>}>
        <Wrong error={save.error} />
        <TextInput label={t("glass.id")} value={id} onChange={(event) => setId(event.currentTarget.value)} autoFocus maxLength={200} />
        <TextInput label={t("rights.protected.issuer")} description={t("rights.protected.issuerHelp")} value={issuer} onChange={(event) => setIssuer(event.currentTarget.value)} maxLength={200} />
        <div>
          <Text size="sm" fw={500} mb={4} id="protect-kind">{t("rights.protected.kind")}</Text>
          <SegmentedControl size="xs" value={kind} onChange={setKind} aria-labelledby="protect-kind" data={["vip", "staff"].map((value) => ({ value, label: t(`rights.protected.kinds.${value}`) }))} />
        </div>
        <TextInput label={t("rights.protected.why")} value={why} onChange={(event) => setWhy(event.currentTarget.value)} maxLength={500} />
      </Panel>
    </form>
  );
}

/** Who saw, for a reason and a time, what is kept out of sight. */
export function BrokenGlass() {
  const { t } = useTranslation();
  const tabs = useTabsOf(t);
  const [at, go] = useAddress();
  const found = useQuery({ queryKey: ["broken-glass"], queryFn: async () => (await api.roles.broken()) as unknown as GlassRow[], refetchInterval: 30_000 });
  const end = useAct((pk: number) => api.roles.mend({ pk }), { done: t("rights.glass.ended"), refresh: [["broken-glass"]], loud: true });
  const open = (row: GlassRow) => row.ended_by === "" && new Date(row.expires_at) > new Date();
  const columns: Column<GlassRow>[] = [
    { key: "at", title: t("rights.glass.at"), width: "172px", cell: (row) => <When at={row.at} /> },
    { key: "who", title: t("rights.glass.who"), width: "minmax(130px, 1fr)", cell: (row) => <Text span inherit fw={600}>{row.name}</Text> },
    { key: "patient", title: t("rights.glass.patient"), width: "minmax(130px, 1fr)", cell: idOf },
    { key: "reason", title: t("rights.glass.reason"), width: "minmax(200px, 3fr)", cell: (row) => <span title={row.reason}>{row.reason}</span> },
    { key: "until", title: t("rights.glass.until"), width: "172px", cell: (row) => <When at={row.expires_at} /> },
    { key: "state", title: t("devices.state"), width: "110px", cell: (row) => <State tone={open(row) ? "warn" : "muted"}>{t(open(row) ? "rights.glass.open" : row.ended_by ? "rights.glass.endedBy" : "rights.glass.over")}</State> },
    { key: "act", title: t("common.actions"), width: "110px", cell: (row) => open(row) && <Button size="compact-xs" variant="default" onClick={() => end.mutate(row.pk)} aria-label={`${t("rights.glass.end")} ${row.name}`}>{t("rights.glass.end")}</Button> },
  ];
  return (
    <Room tabs={tabs} tools={<Text size="xs" c="dimmed">{t("rights.glass.about")}</Text>}>
      {found.isError ? <Designed.Failed error={found.error} retry={() => void found.refetch()} /> : (
        <Table label={t("rights.tab.glass")} columns={columns} rows={found.data ?? []} rowKey={(row) => String(row.pk)} selected={at.glass} onSelect={(row) => go({ glass: String(row.pk) })} loading={found.isLoading} empty={<Designed.Empty title={t("rights.glass.empty")} hint={t("rights.glass.emptyHint")} />} />
      )}
    </Room>
  );
}
