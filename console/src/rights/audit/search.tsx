import { Button, Select, Text } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useCallback, useMemo } from "react";
import { useTranslation } from "react-i18next";
import classes from "../../admin/admin.module.css";
import { Facts, Panel, Room, Section, State, useAddress, When } from "../../admin/parts";
import { api, type AuditRecord } from "../../api/v1";
import { Days, FilterBox } from "../../kit/filters";
import { addressOf } from "../../kit/http";
import { Designed } from "../../kit/states";
import { type Column, Table } from "../../kit/table";
import { download } from "../../study/data";
import { useHolder } from "../roles/data";
import { useTabs } from "./tabs";
import { KINDS, moment, patientsOf, whatOf, wordOf, worked } from "./telling";

const PAGE = 200;
const OPEN_MS = 3_600_000;

/** Who did what, to whose data, from where: every record of the trail, newest first. */
export function Search() {
  return <Records />;
}

/** What somebody should look into: mass access, looks at protected patients, broken glass. */
export function Alerts() {
  return <Records only="alert" />;
}

function Records({ only }: { only?: string }) {
  const { t } = useTranslation();
  const tabs = useTabs();
  const [at, go] = useAddress();
  const asked = {
    patient: at.patient || undefined, study: at.study || undefined, who: at.who || undefined, kind: only ?? (at.kind || undefined),
    failed: at.outcome === "failed" ? true : at.outcome === "worked" ? false : undefined, since: moment(at.from), until: moment(at.to, true),
  };
  // Each look is itself recorded: nothing is asked again by itself.
  const found = useInfiniteQuery({
    queryKey: ["audit", asked],
    queryFn: ({ pageParam }) => api.audit.search({ query: { ...asked, before: pageParam || undefined, limit: PAGE } }),
    initialPageParam: 0,
    getNextPageParam: (last) => last.next ?? undefined,
    placeholderData: keepPreviousData,
    refetchOnWindowFocus: false,
    staleTime: 5_000,
  });
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = found;
  const more = useCallback(() => { if (hasNextPage && !isFetchingNextPage) void fetchNextPage(); }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const rows = useMemo(() => found.data?.pages.flatMap((page) => page.records) ?? [], [found.data]);
  const open = rows.find((row) => String(row.seq) === at.record);
  const name = useHolder();
  const whoOf = (row: AuditRecord) => (row.who_name && row.who_name !== row.who ? row.who_name : name(row.who, t));
  const box = (key: "who" | "patient", label: string) => <FilterBox value={at[key] ?? ""} label={label} onChange={(value) => go({ [key]: value.trim() || undefined, record: undefined })} />;
  const columns: Column<AuditRecord>[] = [
    { key: "at", title: t("audit.at"), width: "172px", cell: (row) => <When at={row.at} /> },
    { key: "who", title: t("audit.who"), width: "minmax(130px, 1.2fr)", cell: (row) => <Text span inherit fw={600} title={row.who}>{whoOf(row)}</Text>, filter: box("who", t("audit.whoFind")) },
    { key: "kind", title: t("audit.kind"), width: "minmax(120px, 1fr)", cell: (row) => wordOf(t, "kinds", row.kind) },
    { key: "what", title: t("audit.what"), width: "minmax(150px, 1.6fr)", cell: (row) => <span title={whatOf(t, row) || row.query}>{whatOf(t, row) || row.query}</span> },
    { key: "patients", title: t("audit.patients"), width: "minmax(130px, 1.2fr)", cell: (row) => <span title={patientsOf(row)}>{patientsOf(row)}</span>, filter: box("patient", t("audit.patientFind")) },
    { key: "from", title: t("audit.door"), width: "minmax(110px, 0.8fr)", cell: (row) => [wordOf(t, "doors", row.door), row.address].filter(Boolean).join(" · ") },
    { key: "outcome", title: t("audit.outcome"), width: "140px", cell: (row) => <State tone={worked(row) ? "good" : "bad"}>{t(worked(row) ? "audit.worked" : "audit.failed")}</State> },
  ];
  const filtered = ["patient", "study", "who", "kind", "outcome", "from", "to"].some((key) => Boolean(at[key]));
  const clear = <Button size="compact-sm" variant="default" onClick={() => go({ patient: undefined, study: undefined, who: undefined, kind: undefined, outcome: undefined, from: undefined, to: undefined, record: undefined })}>{t("common.clear")}</Button>;
  const kindNames = KINDS.map((each) => ({ value: each, label: wordOf(t, "kinds", each) }));
  return (
    <Room tabs={tabs}
      tools={<>
        <Days from={at.from} to={at.to} onChange={(span) => go({ from: span.from, to: span.to, record: undefined })} />
        {!only && <Select size="xs" w={150} searchable clearable value={at.kind ?? null} onChange={(kind) => go({ kind: kind ?? undefined, record: undefined })} placeholder={t("audit.anyKind")} aria-label={t("audit.kind")} data={kindNames} />}
        {!only && <Select size="xs" w={126} clearable value={at.outcome ?? null} onChange={(outcome) => go({ outcome: outcome ?? undefined, record: undefined })} placeholder={t("audit.anyOutcome")} aria-label={t("audit.outcome")}
          data={[{ value: "worked", label: t("audit.worked") }, { value: "failed", label: t("audit.failed") }]} />}
        {filtered && <Button size="compact-xs" variant="subtle" onClick={() => go({ patient: undefined, study: undefined, who: undefined, kind: undefined, outcome: undefined, from: undefined, to: undefined })}>{t("common.clear")}</Button>}
        <div className={classes.spacer} />
        <Text size="xs" c="dimmed" visibleFrom="xl">{only ? t("audit.alerts.about") : t("audit.reading")}</Text>
        <Button size="compact-xs" variant="default" leftSection={<IconDownload size={14} />} disabled={rows.length === 0} onClick={() => download(addressOf("/api/v1/audit/file", asked))}>{t("audit.download")}</Button>
      </>}
      panel={open && <RecordPanel key={open.seq} of={open} onClose={() => go({ record: undefined })} />}>
      {found.isError ? <Designed.Failed error={found.error} retry={() => void found.refetch()} /> : (
        <Table label={t("room.audit")} columns={open ? columns.filter((each) => ["at", "who", "kind", "patients"].includes(each.key)) : columns} rows={rows} rowKey={seqOf} selected={at.record} of={JSON.stringify(asked)}
          onSelect={(row) => go({ record: String(row.seq) })} onMore={more} loading={found.isLoading}
          empty={only && !filtered ? <Designed.Empty title={t("audit.alerts.empty")} hint={t("audit.alerts.emptyHint")} />
            : filtered ? <Designed.Empty title={t("audit.none")} hint={t("audit.noneHint")} action={clear} /> : <Designed.Empty title={t("audit.empty")} hint={t("audit.emptyHint")} />} />
      )}
    </Room>
  );
}

const seqOf = (row: AuditRecord) => String(row.seq);

function RecordPanel({ of, onClose }: { of: AuditRecord; onClose: () => void }) {
  const { t } = useTranslation();
  const title = [wordOf(t, "kinds", of.kind), whatOf(t, of)].filter(Boolean).join(": ");
  const details = Object.entries(of.detail).filter(([, value]) => value !== null && value !== "");
  const first = of.patients[0]?.id;
  const around = new Date(of.at).getTime();
  const day = (at: number) => new Date(at).toLocaleDateString("sv").replaceAll("-", "");
  return (
    <Panel title={title} label={t("audit.one", { seq: of.seq })} sub={<When at={of.at} ago />} onClose={onClose}
      actions={<>
        <Button size="compact-sm" variant="default" component={Link} to="/audit" search={{ who: of.who, from: day(around - OPEN_MS), to: day(around + OPEN_MS) } as never}>{t(of.kind === "alert" ? "audit.alerts.look" : "audit.samePerson")}</Button>
        {first && <Button size="compact-sm" variant="default" component={Link} to="/audit/patient" search={{ patient: first } as never}>{t("audit.samePatient")}</Button>}
      </>}>
      <Facts of={[
        [t("audit.number"), of.seq],
        [t("audit.who"), <span key="w">{of.who_name} <Text span c="dimmed" inherit>{of.who}</Text></span>],
        [t("audit.door"), [wordOf(t, "doors", of.door), of.address].filter(Boolean).join(" · ")],
        [t("audit.outcome"), <State key="o" tone={worked(of) ? "good" : "bad"}>{t(worked(of) ? "audit.worked" : "audit.failed")}</State>],
        [t("audit.patients"), patientsOf(of)],
        [t("audit.instances"), of.instances],
        [t("audit.destination"), of.destination],
        [t("audit.query"), of.query && <span key="q" className={classes.code}>{of.query}</span>],
      ]} />
      {details.length > 0 && <Section title={t("audit.more")}><Facts of={details.map(([key, value]) => [wordOf(t, "details", key), valueOf(value)] as const)} /></Section>}
      {of.studies.length > 0 && (
        <Section title={t("audit.studyCount", { count: of.studies.length })}>
          {of.studies.slice(0, 50).map((uid) => <div key={uid}><Link to="/studies/$uid" params={{ uid } as never} className={classes.code} style={{ color: "var(--accent)" }}>{uid}</Link></div>)}
        </Section>
      )}
    </Panel>
  );
}

const valueOf = (value: unknown): string => (Array.isArray(value) ? value.join(", ") : typeof value === "object" ? JSON.stringify(value) : String(value));
