import { Button, Text, TextInput } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import classes from "../../admin/admin.module.css";
import { Room, useAddress, When } from "../../admin/parts";
import { api, type Viewer } from "../../api/v1";
import { Days } from "../../kit/filters";
import { addressOf } from "../../kit/http";
import { Designed } from "../../kit/states";
import { type Column, Table } from "../../kit/table";
import { download } from "../../study/data";
import { useHolder } from "../roles/data";
import { useTabs } from "./tabs";
import { moment, wordOf } from "./telling";

/** Everybody who saw something of a patient: the access report that a patient may ask for. */
export function WhoSaw() {
  const { t } = useTranslation();
  const tabs = useTabs();
  const [at, go] = useAddress();
  const [typed, setTyped] = useState(at.patient ?? "");
  useEffect(() => setTyped(at.patient ?? ""), [at.patient]);
  const asked = { patient: at.patient ?? "", since: moment(at.from), until: moment(at.to, true) };
  const found = useQuery({ queryKey: ["who-saw", asked], queryFn: () => api.audit.patient({ query: asked }), enabled: asked.patient !== "", refetchOnWindowFocus: false, staleTime: 5_000 });
  const name = useHolder();
  const rows = found.data?.viewers ?? [];
  const list = (names: readonly string[], of: "kinds" | "doors") => names.filter(Boolean).map((each) => wordOf(t, of, each)).join(", ");
  const columns: Column<Viewer>[] = [
    { key: "who", title: t("audit.report.who"), width: "minmax(150px, 1.4fr)", cell: (row) => <Link to="/audit" search={{ who: row.who, patient: asked.patient } as never} style={{ color: "var(--accent)", fontWeight: 600 }}>{row.who_name && row.who_name !== row.who ? row.who_name : name(row.who, t)}</Link> },
    { key: "times", title: t("audit.report.times"), width: "80px", numeric: true, cell: (row) => row.times },
    { key: "first", title: t("audit.report.first"), width: "172px", cell: (row) => <When at={row.first} /> },
    { key: "last", title: t("audit.report.last"), width: "172px", cell: (row) => <When at={row.last} /> },
    { key: "how", title: t("audit.report.how"), width: "minmax(160px, 2fr)", cell: (row) => <span title={list(row.kinds, "kinds")}>{list(row.kinds, "kinds")}</span> },
    { key: "doors", title: t("audit.report.doors"), width: "minmax(100px, 1fr)", cell: (row) => list(row.doors, "doors") },
  ];
  return (
    <Room tabs={tabs}
      tools={<>
        <form style={{ display: "flex", gap: 6 }} onSubmit={(event) => { event.preventDefault(); go({ patient: typed.trim() || undefined }); }}>
          <TextInput size="xs" w={220} value={typed} onChange={(event) => setTyped(event.currentTarget.value)} placeholder={t("audit.report.patient")} aria-label={t("audit.report.patient")} autoFocus />
          <Button size="xs" h={30} type="submit" disabled={!typed.trim()}>{t("audit.report.show")}</Button>
        </form>
        <Days from={at.from} to={at.to} onChange={(span) => go({ from: span.from, to: span.to })} />
        <div className={classes.spacer} />
        <Text size="xs" c="dimmed">{found.data ? t("audit.report.found", { count: rows.length }) : t("audit.report.about")}</Text>
        {found.data && <Button size="compact-xs" variant="default" leftSection={<IconDownload size={14} />} onClick={() => download(addressOf("/api/v1/audit/patient/file", asked))}>{t("audit.report.download")}</Button>}
      </>}>
      {found.isError ? <Designed.Failed error={found.error} retry={() => void found.refetch()} /> : asked.patient === "" ? <Designed.Empty title={t("audit.report.ask")} hint={t("audit.report.askHint")} /> : (
        <Table label={t("audit.tab.patient")} columns={columns} rows={rows} rowKey={(row) => row.who} loading={found.isLoading} empty={<Designed.Empty title={t("audit.report.nobody")} hint={t("audit.report.nobodyHint")} />} />
      )}
    </Room>
  );
}
