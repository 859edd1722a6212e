import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { showBytes, showMoment } from "../kit/format";
import { useLive } from "../api/live";
import { api, type Held } from "../api/v1";
import { Designed } from "../kit/states";
import { type Column, Table } from "../kit/table";

/** The quarantine room: what could not be filed, and why. */
export function Quarantine() {
  const { t } = useTranslation();
  const held = useQuery({ queryKey: ["quarantine"], queryFn: () => api.quarantine.show(), refetchInterval: 20_000 });
  useLive(["ObjectQuarantined"], ["quarantine"]);
  const columns: Column<Held>[] = [
    { key: "at", title: t("quarantine.at"), width: "160px", cell: (row) => showMoment(row.at) },
    { key: "reason", title: t("quarantine.reason"), width: "170px", cell: (row) => t(`reasons.${row.reason}`, { defaultValue: row.reason }) },
    { key: "detail", title: t("quarantine.detail"), width: "minmax(200px, 3fr)", cell: (row) => row.detail },
    { key: "door", title: t("quarantine.door"), width: "80px", cell: (row) => row.door },
    { key: "source", title: t("quarantine.source"), width: "minmax(100px, 1fr)", cell: (row) => row.source },
    { key: "uid", title: t("quarantine.uid"), width: "minmax(140px, 2fr)", cell: (row) => row.sop_uid ?? "" },
    { key: "size", title: t("quarantine.size"), width: "90px", numeric: true, cell: (row) => showBytes(row.size_bytes) },
  ];
  if (held.isError) return <Designed.Failed error={held.error} retry={() => void held.refetch()} />;
  return (
    <Table
      label={t("room.quarantine")}
      columns={columns}
      rows={held.data?.items ?? []}
      rowKey={(row) => String(row.id)}
      loading={held.isLoading}
      empty={<Designed.Empty title={t("quarantine.empty")} hint={t("quarantine.emptyHint")} />}
    />
  );
}
