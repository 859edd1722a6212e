import "../words";
import { Button, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, type AssociationAnswer } from "../../api/v1";
import { showBytes } from "../../kit/format";
import { Designed } from "../../kit/states";
import { type Column, Table } from "../../kit/table";
import classes from "../admin.module.css";
import { Ask, Room, State, useAddress, useAgo, When } from "../parts";
import { useTabs } from "./tabs";

/** Who is connected now, what is going over, and the way to end it. */
export function Associations() {
  const { t } = useTranslation();
  const tabs = useTabs();
  const [at, go] = useAddress();
  const live = useQuery({ queryKey: ["associations"], queryFn: () => api.associations.show(), refetchInterval: 2000 });
  const [ending, setEnding] = useState<AssociationAnswer>();
  const rows = live.data?.associations ?? [];
  const columns: Column<AssociationAnswer>[] = [
    { key: "way", title: t("associations.way"), width: "104px", cell: (row) => <State tone={row.operation ? "busy" : "muted"}>{t(row.inbound ? "associations.in" : "associations.out")}</State> },
    { key: "calling", title: t("callers.calling"), width: "minmax(110px, 1fr)", cell: (row) => row.calling_ae },
    { key: "called", title: t("callers.calledAs"), width: "minmax(110px, 1fr)", cell: (row) => row.called_ae },
    { key: "peer", title: t("devices.address"), width: "minmax(120px, 1fr)", cell: (row) => row.peer },
    { key: "operation", title: t("associations.doing"), width: "minmax(110px, 1fr)", cell: (row) => row.operation || <Text span inherit c="dimmed">{t("associations.idle")} <Ago at={row.active_at} /></Text> },
    { key: "opened", title: t("associations.opened"), width: "172px", cell: (row) => <When at={row.opened_at} /> },
    { key: "objects", title: t("associations.objects"), width: "104px", numeric: true, cell: (row) => row.objects_in + row.objects_out },
    { key: "bytes", title: t("associations.bytes"), width: "104px", numeric: true, cell: (row) => showBytes(row.bytes_in + row.bytes_out) },
    { key: "act", title: t("common.actions"), width: "96px", cell: (row) => <Button size="compact-xs" variant="default" onClick={() => setEnding(row)} aria-label={t("associations.abortOne", { title: row.inbound ? row.calling_ae : row.called_ae })}>{t("associations.abort")}</Button> },
  ];
  const peer = ending && (ending.inbound ? ending.calling_ae : ending.called_ae);
  return (
    <Room tabs={tabs} tools={<><Text size="xs" c="dimmed">{t("associations.about")}</Text><div className={classes.spacer} /><Text size="xs" c="dimmed" aria-live="polite">{t("associations.open", { count: rows.length })}</Text></>}>
      {live.isError ? <Designed.Failed error={live.error} retry={() => void live.refetch()} /> : (
        <Table label={t("devices.tab.associations")} columns={columns} rows={rows} rowKey={(row) => row.id} loading={live.isLoading} selected={at.id} onSelect={(row) => go({ id: row.id })}
          onKey={(key, row) => key === "Delete" && setEnding(row)}
          empty={<Designed.Empty title={t("associations.empty")} hint={t("associations.emptyHint")} />} />
      )}
      {ending && <Ask danger title={t("associations.abortTitle", { title: peer })} verb={t("associations.abort")} onClose={() => setEnding(undefined)}
        text={t(ending.inbound ? "associations.abortIn" : "associations.abortOut", { title: peer, objects: ending.objects_in + ending.objects_out })}
        act={() => api.associations.abort({ id: ending.id })} done={t("associations.aborted", { title: peer })} refresh={[["associations"]]} />}
    </Room>
  );
}

function Ago({ at }: { at: string }) {
  return useAgo(at);
}
