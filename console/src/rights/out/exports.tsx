import "../words";
import "../../admin/words";
import { Button, Text } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useCallback, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import classes from "../../admin/admin.module.css";
import { Ask, Facts, Note, Panel, Room, Section, State, type Tone, useAddress, When } from "../../admin/parts";
import { api, type ExportAnswer } from "../../api/v1";
import { showBytes } from "../../kit/format";
import { Designed } from "../../kit/states";
import { type Column, Table } from "../../kit/table";
import { download } from "../../study/data";
import { useHolder } from "../roles/data";
import { tellExport } from "./export";

const PAGE = 100;
const ATTRIBUTES = 200;

export const useTabs = () => {
  const { t } = useTranslation();
  return [{ to: "/exports", label: t("export.projects.list") }, { to: "/exports/projects", label: t("export.projects.tab") }];
};

const stateOf = (row: ExportAnswer) => (row.removed_at && row.kind === "zip" ? "removed" : row.state);
const toneOf = (row: ExportAnswer): Tone => ({ done: row.failed > 0 ? "warn" : "good", failed: "bad", running: "busy", waiting: "muted" } as Record<string, Tone>)[stateOf(row)] ?? "muted";

/** What left the house: by whom, why, how far, and the file. */
export function Exports() {
  const { t } = useTranslation();
  const tabs = useTabs();
  const [at, go] = useAddress();
  const found = useInfiniteQuery({
    queryKey: ["exports"],
    queryFn: ({ pageParam }) => api.exportsApi.show({ query: { before: pageParam || undefined, limit: PAGE } }),
    initialPageParam: 0,
    getNextPageParam: (last) => (last.next ? last.exports.at(-1)?.id : undefined),
    refetchInterval: 3000,
  });
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = found;
  const more = useCallback(() => { if (hasNextPage && !isFetchingNextPage) void fetchNextPage(); }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const rows = useMemo(() => found.data?.pages.flatMap((page) => page.exports) ?? [], [found.data]);
  const open = rows.find((row) => String(row.id) === at.export);
  const columns: Column<ExportAnswer>[] = [
    { key: "id", title: t("export.number"), width: "70px", numeric: true, cell: (row) => row.id },
    { key: "state", title: t("export.state"), width: "120px", cell: (row) => <State tone={toneOf(row)}>{t(`export.states.${stateOf(row)}`, { defaultValue: row.state })}</State> },
    { key: "to", title: t("export.to"), width: "minmax(120px, 1fr)", cell: (row) => [t(`export.kinds.${row.kind}`, { defaultValue: row.kind }), row.destination].filter(Boolean).join(" · ") },
    { key: "how", title: t("export.how"), width: "minmax(150px, 1.2fr)", cell: (row) => (row.project ? `${t("export.deidentified")} · ${row.project}` : t("export.identified")) },
    { key: "done", title: t("export.written"), width: "minmax(150px, 1.2fr)", cell: (row) => tellExport(t, row) },
    { key: "size", title: t("export.size"), width: "90px", numeric: true, cell: (row) => (row.size_bytes ? showBytes(row.size_bytes) : "") },
    { key: "why", title: t("export.why"), width: "minmax(160px, 2fr)", cell: (row) => <span title={row.reason}>{row.reason}</span> },
    { key: "at", title: t("export.at"), width: "172px", cell: (row) => <When at={row.created_at} /> },
  ];
  return (
    <Room tabs={tabs} tools={<Text size="xs" c="dimmed">{t("export.room")}</Text>} panel={open && <ExportPanel key={open.id} of={open} onClose={() => go({ export: undefined })} />}>
      {found.isError ? <Designed.Failed error={found.error} retry={() => void found.refetch()} /> : (
        <Table label={t("room.exports")} columns={open ? columns.slice(0, 4) : columns} rows={rows} rowKey={(row) => String(row.id)} selected={at.export} onSelect={(row) => go({ export: String(row.id) })} onMore={more} loading={found.isLoading}
          empty={<Designed.Empty title={t("export.empty")} hint={t("export.emptyHint")} />} />
      )}
    </Room>
  );
}

function ExportPanel({ of, onClose }: { of: ExportAnswer; onClose: () => void }) {
  const { t } = useTranslation();
  const holder = useHolder();
  const [asked, setAsked] = useState<"cancel" | "remove">();
  const out = useQuery({ queryKey: ["export", of.id, "out", of.finished_at], queryFn: () => api.exportsApi.leftOut({ pk: of.id }), enabled: of.withheld + of.failed > 0 });
  const report = Object.entries(of.report);
  const refresh = [["exports"], ["export"]] as const;
  return (
    <Panel wide title={t("export.one", { id: of.id })} label={t("export.one", { id: of.id })} sub={of.reason} onClose={onClose}
      actions={<>
        {of.file && of.state === "done" && !of.removed_at && <Button size="compact-sm" leftSection={<IconDownload size={15} />} onClick={() => download(of.file!)}>{t("export.download")}</Button>}
        {!of.finished_at && <Button size="compact-sm" variant="default" onClick={() => setAsked("cancel")}>{t("export.cancel")}</Button>}
        {of.file && of.finished_at && !of.removed_at && <Button size="compact-sm" variant="default" onClick={() => setAsked("remove")}>{t("export.remove")}</Button>}
      </>}>
      {of.trouble && <Note tone="bad">{of.trouble}</Note>}
      <Facts of={[
        [t("export.state"), <State key="s" tone={toneOf(of)}>{t(`export.states.${stateOf(of)}`, { defaultValue: of.state })}</State>],
        [t("export.to"), [t(`export.kinds.${of.kind}`, { defaultValue: of.kind }), of.destination].filter(Boolean).join(" · ")],
        [t("export.how"), of.project ? `${t("export.deidentified")} · ${of.project}` : t("export.identified")],
        [t("export.written"), tellExport(t, of)],
        [t("export.size"), of.size_bytes ? showBytes(of.size_bytes) : ""],
        [t("export.by"), holder(of.principal, t)],
        [t("export.at"), <When key="c" at={of.created_at} ago />],
        [t("export.finished"), of.finished_at && <When key="f" at={of.finished_at} ago />],
        [t("export.removedAt"), of.removed_at && <When key="r" at={of.removed_at} ago />],
      ]} />
      {(out.data?.objects.length ?? 0) > 0 && (
        <Section title={t("export.leftOut")}>
          <table className={classes.plain}><tbody>{out.data!.objects.slice(0, 200).map((each) => <tr key={each.sop_uid}><td className={classes.code}>{each.sop_uid}</td><td>{each.comment}</td></tr>)}</tbody></table>
        </Section>
      )}
      {report.length > 0 && (
        <details className={classes.group}>
          <summary>{t("export.report")}<span>{report.length}</span></summary>
          <div className={classes.fields}>
            <table className={classes.plain}>
              <thead><tr><th>{t("export.attribute")}</th><th>{t("export.done")}</th></tr></thead>
              <tbody>{report.slice(0, ATTRIBUTES).map(([attribute, counts]) => <tr key={attribute}><td className={classes.code}>{attribute}</td><td>{Object.entries(counts).map(([done, times]) => `${done} × ${times}`).join(", ")}</td></tr>)}</tbody>
            </table>
            {report.length > ATTRIBUTES && <Text size="xs" c="dimmed">{t("export.andMore", { count: report.length - ATTRIBUTES })}</Text>}
          </div>
        </details>
      )}
      {asked === "cancel" && <Ask danger title={t("export.cancel")} text={tellExport(t, of)} verb={t("export.cancel")} refresh={refresh} done={t("export.cancelled")} onClose={() => setAsked(undefined)} act={() => api.exportsApi.cancel({ pk: of.id })} />}
      {asked === "remove" && <Ask danger title={t("export.removeTitle", { id: of.id })} text={t("export.removeText")} verb={t("export.remove")} refresh={refresh} done={t("export.removed")} onClose={() => setAsked(undefined)} act={() => api.exportsApi.remove({ pk: of.id })} />}
    </Panel>
  );
}
