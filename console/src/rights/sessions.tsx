import "./words";
import "../admin/words";
import { Button, Text, TextInput } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import classes from "../admin/admin.module.css";
import { Ask, Room, State, useAddress, When } from "../admin/parts";
import { browserOf } from "../admin/people/account";
import { people, type Session } from "../admin/people/api";
import { Designed } from "../kit/states";
import { type Column, Table } from "../kit/table";
import { useTabsOf } from "./roles/data";

/** Everybody who is signed in, and an end to it. */
export function AllSessions() {
  const { t } = useTranslation();
  const tabs = useTabsOf(t);
  const [at, go] = useAddress();
  const sessions = useQuery({ queryKey: ["sessions", "all"], queryFn: () => people.sessions(true), refetchInterval: 15_000 });
  const [ending, setEnding] = useState<{ row: Session; all: boolean }>();
  const all = sessions.data?.sessions ?? [];
  const wanted = (at.find ?? "").toLowerCase();
  const rows = all.filter((row) => `${row.account} ${row.peer}`.toLowerCase().includes(wanted));
  const many = (row: Session) => all.filter((each) => each.account === row.account).length > 1;
  const columns: Column<Session>[] = [
    { key: "account", title: t("rights.sessions.account"), width: "minmax(150px, 1.2fr)", cell: (row) => <><Text span inherit fw={600}>{row.account}</Text>{row.present && <Text span c="dimmed" inherit> · {t("rights.sessions.this")}</Text>}</> },
    { key: "from", title: t("rights.sessions.from"), width: "minmax(130px, 1fr)", cell: (row) => row.peer },
    { key: "browser", title: t("account.browser"), width: "minmax(150px, 1.2fr)", cell: (row) => <span title={row.agent}>{browserOf(row.agent)}</span> },
    { key: "method", title: t("rights.sessions.by"), width: "minmax(110px, 0.8fr)", cell: (row) => t(`rights.sessions.methods.${row.method}`, { defaultValue: row.method }) },
    { key: "since", title: t("account.signedIn"), width: "172px", cell: (row) => <When at={row.created_at} /> },
    { key: "seen", title: t("rights.sessions.idle"), width: "172px", cell: (row) => <When at={row.last_seen} /> },
    { key: "end", title: t("common.actions"), width: "200px", cell: (row) => (
      <span style={{ display: "inline-flex", gap: 6 }}>
        {!row.present && <Button size="compact-xs" variant="default" onClick={() => setEnding({ row, all: false })} aria-label={`${t("rights.sessions.end")} ${row.account} ${row.peer}`}>{t("rights.sessions.end")}</Button>}
        {many(row) && <Button size="compact-xs" variant="subtle" onClick={() => setEnding({ row, all: true })}>{t("rights.sessions.endAll", { who: row.account })}</Button>}
      </span>) },
  ];
  return (
    <Room tabs={tabs}
      tools={<>
        <TextInput size="xs" w={240} value={at.find ?? ""} onChange={(event) => go({ find: event.currentTarget.value || undefined })} placeholder={t("rights.sessions.find")} aria-label={t("rights.sessions.find")} leftSection={<IconSearch size={13} />} />
        <Text size="xs" c="dimmed">{t("rights.sessions.about")}</Text>
        <div className={classes.spacer} />
        <Text size="xs" c="dimmed">{t("common.of", { shown: rows.length, total: all.length })}</Text>
      </>}>
      {sessions.isError ? <Designed.Failed error={sessions.error} retry={() => void sessions.refetch()} /> : (
        <Table label={t("rights.tab.sessions")} columns={columns} rows={rows} rowKey={(row) => String(row.id)} selected={at.session} onSelect={(row) => go({ session: String(row.id) })} loading={sessions.isLoading}
          empty={<Designed.Empty title={t(wanted ? "rights.sessions.noMatch" : "rights.sessions.empty")} action={wanted ? <Button size="compact-sm" variant="default" onClick={() => go({ find: undefined })}>{t("common.clear")}</Button> : <State tone="muted">{t("rights.sessions.about")}</State>} />} />
      )}
      {ending && !ending.all && <Ask danger title={t("rights.sessions.endTitle", { who: ending.row.account })} text={t("rights.sessions.endText", { from: ending.row.peer })} verb={t("rights.sessions.end")} refresh={[["sessions"]]} done={t("rights.sessions.ended")} onClose={() => setEnding(undefined)} act={() => people.endSession(ending.row.id)} />}
      {ending?.all && <Ask danger title={t("users.sessionsTitle", { name: ending.row.account })} text={t("users.sessionsText")} verb={t("users.endSessions")} refresh={[["sessions"]]} done={t("users.sessionsEnded", { name: ending.row.account })} onClose={() => setEnding(undefined)} act={() => people.endSessions(ending.row.account)} />}
    </Room>
  );
}
