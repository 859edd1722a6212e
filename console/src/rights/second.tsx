import "./words";
import "../admin/words";
import { Button, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Ask, Room, State, useAddress, When } from "../admin/parts";
import { api, type AskedFor } from "../api/v1";
import { Designed } from "../kit/states";
import { type Column, Table } from "../kit/table";
import { useMay } from "../study/actions";
import type { Say } from "./audit/telling";
import { useHolder, useTabsOf } from "./roles/data";

/** What two people do together: one asked for it, another agrees, and only then it is done. */
export function Second() {
  const { t } = useTranslation();
  const may = useMay();
  const tabs = useTabsOf(t);
  const told = useTelling(t);
  const [at, go] = useAddress();
  const [deciding, setDeciding] = useState<{ row: AskedFor; agree: boolean }>();
  const me = useQuery({ queryKey: ["me"], queryFn: () => api.me.show() });
  const found = useQuery({ queryKey: ["second-person"], queryFn: () => api.secondPersonApi.list(), refetchInterval: 15_000 });
  const mine = (row: AskedFor) => row.asked_name === me.data?.name;
  const columns: Column<AskedFor>[] = [
    { key: "at", title: t("rights.second.at"), width: "172px", cell: (row) => <When at={row.asked_at} /> },
    { key: "who", title: t("rights.second.who"), width: "minmax(120px, 1fr)", cell: (row) => <Text span inherit fw={600}>{row.asked_name}</Text> },
    { key: "what", title: t("rights.second.what"), width: "minmax(220px, 3fr)", cell: (row) => <span title={told(row)}>{told(row)}</span> },
    { key: "why", title: t("common.reason"), width: "minmax(120px, 2fr)", cell: (row) => <span title={row.why}>{row.why}</span> },
    { key: "until", title: t("rights.second.until"), width: "172px", cell: (row) => row.state === "waiting" && <When at={row.expires_at} /> },
    { key: "state", title: t("devices.state"), width: "minmax(120px, 1fr)", cell: (row) => <State tone={row.state === "waiting" ? "warn" : "muted"}>{t(`rights.second.states.${row.state}`, { who: row.by_name })}</State> },
    { key: "act", title: t("common.actions"), width: "190px", cell: (row) => row.state === "waiting" && (
      <span style={{ display: "inline-flex", gap: 6 }}>
        {!mine(row) && <Button size="compact-xs" onClick={() => setDeciding({ row, agree: true })} aria-label={`${t("rights.second.agree")} ${row.id}`}>{t("rights.second.agree")}</Button>}
        <Button size="compact-xs" variant="default" onClick={() => setDeciding({ row, agree: false })} aria-label={`${t("rights.second.refuse")} ${row.id}`}>{t(mine(row) ? "rights.second.takeBack" : "rights.second.refuse")}</Button>
      </span>) },
  ];
  const refresh = [["second-person"], ["studies"], ["deletions"], ["roles"], ["grants"], ["accounts"]];
  return (
    <Room tabs={may("security") ? tabs : undefined} tools={<Text size="xs" c="dimmed">{t("rights.second.about")}</Text>}>
      {found.isError ? <Designed.Failed error={found.error} retry={() => void found.refetch()} /> : (
        <Table label={t("rights.tab.second")} columns={columns} rows={found.data?.asked ?? []} rowKey={(row) => String(row.id)} selected={at.asked} onSelect={(row) => go({ asked: String(row.id) })} loading={found.isLoading} empty={<Designed.Empty title={t("rights.second.empty")} hint={t("rights.second.emptyHint")} />} />
      )}
      {deciding && <Ask danger={deciding.agree} title={t(deciding.agree ? "rights.second.agreeTitle" : "rights.second.refuseTitle")} text={<>{told(deciding.row)}<br />{t("rights.second.asked", { who: deciding.row.asked_name })}{deciding.row.why && <> {deciding.row.why}</>}</>}
        verb={t(deciding.agree ? "rights.second.agree" : "rights.second.refuse")} refresh={refresh} done={t(deciding.agree ? "rights.second.agreed" : "rights.second.refused")} onClose={() => setDeciding(undefined)}
        act={() => (deciding.agree ? api.secondPersonApi.agree : api.secondPersonApi.refuse)({ pk: deciding.row.id })} />}
    </Room>
  );
}

/** What would be done, in a sentence. */
function useTelling(t: Say): (row: AskedFor) => string {
  const holder = useHolder();
  return ({ body }) => {
    const text = (key: string) => String(body[key] ?? "");
    if (body.do === "delete") {
      const level = body.instance ? "instance" : body.series ? "series" : "study";
      return t(`rights.second.delete.${level}`, { uid: text(level) });
    }
    const roles = Array.isArray(body.roles) ? body.roles.join(", ") : "";
    return t(`rights.second.rights.${text("do")}`, { name: text("name"), role: text("role"), roles, whom: body.principal ? holder(text("principal"), t) : "" });
  };
}
