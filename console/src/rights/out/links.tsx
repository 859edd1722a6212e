import "../words";
import "../../admin/words";
import { Button, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link as To } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import classes from "../../admin/admin.module.css";
import { Ask, Facts, Panel, Room, Section, State, type Tone, useAddress, When } from "../../admin/parts";
import { api, type Link } from "../../api/v1";
import { Designed } from "../../kit/states";
import { type Column, Table } from "../../kit/table";

function standingOf(row: Link): "open" | "over" | "revoked" | "used" {
  if (row.revoked_at) return "revoked";
  if (new Date(row.expires_at) <= new Date()) return "over";
  return row.max_opens !== null && row.opens >= row.max_opens ? "used" : "open";
}

const TONES: Record<ReturnType<typeof standingOf>, Tone> = { open: "good", over: "muted", revoked: "muted", used: "warn" };

/** Links for people without an account: which are in force, how often each was opened, and an end to it. */
export function Links() {
  const { t } = useTranslation();
  const [at, go] = useAddress();
  const links = useQuery({ queryKey: ["shares"], queryFn: () => api.shares.show(), refetchInterval: 20_000 });
  const rows = links.data?.links ?? [];
  const open = rows.find((row) => String(row.id) === at.link);
  const withOf = (row: Link) => [row.has_pin && t("share.withPin"), row.download && t("share.withDownload")].filter(Boolean).join(t("common.listComma"));
  const columns: Column<Link>[] = [
    { key: "label", title: t("share.of"), width: "minmax(160px, 1.6fr)", cell: (row) => row.label ? <Text span inherit fw={600}>{row.label}</Text> : <Text span inherit c="dimmed">{t("share.unnamed")}</Text> },
    { key: "state", title: t("devices.state"), width: "110px", cell: (row) => <Standing of={row} /> },
    { key: "studies", title: t("audit.studies"), width: "90px", numeric: true, cell: (row) => row.studies.length },
    { key: "opened", title: t("share.opened"), width: "100px", numeric: true, cell: (row) => (row.max_opens === null ? row.opens : t("share.openedOf", { opens: row.opens, most: row.max_opens })) },
    { key: "with", title: t("share.with"), width: "minmax(110px, 1fr)", cell: withOf },
    { key: "by", title: t("share.by"), width: "minmax(110px, 1fr)", cell: (row) => row.made_by },
    { key: "made", title: t("share.when"), width: "172px", cell: (row) => <When at={row.made_at} /> },
    { key: "until", title: t("share.expires"), width: "172px", cell: (row) => <When at={row.expires_at} /> },
  ];
  return (
    <Room tools={<Text size="xs" c="dimmed">{t("share.room")}</Text>} panel={open && <LinkPanel key={open.id} of={open} withOf={withOf(open)} onClose={() => go({ link: undefined })} />}>
      {links.isError ? <Designed.Failed error={links.error} retry={() => void links.refetch()} /> : (
        <Table label={t("room.shares")} columns={open ? columns.filter((each) => ["label", "state", "opened", "until"].includes(each.key)) : columns} rows={rows} rowKey={(row) => String(row.id)} selected={at.link} onSelect={(row) => go({ link: String(row.id) })} loading={links.isLoading}
          empty={<Designed.Empty title={t("share.empty")} hint={t("share.emptyHint")} action={<Button size="compact-sm" variant="default" component={To} to="/studies">{t("room.studies")}</Button>} />} />
      )}
    </Room>
  );
}

function Standing({ of }: { of: Link }) {
  const { t } = useTranslation();
  const state = standingOf(of);
  return <State tone={TONES[state]}>{t(`share.states.${state}`)}</State>;
}

function LinkPanel({ of, withOf, onClose }: { of: Link; withOf: string; onClose: () => void }) {
  const { t } = useTranslation();
  const [ending, setEnding] = useState(false);
  return (
    <Panel title={of.label || t("share.one")} label={t("share.one")} sub={<Standing of={of} />} onClose={onClose}
      actions={standingOf(of) === "open" && <Button size="compact-sm" variant="default" onClick={() => setEnding(true)}>{t("share.revoke")}</Button>}>
      <Facts of={[
        [t("share.opened"), of.max_opens === null ? String(of.opens) : t("share.openedOf", { opens: of.opens, most: of.max_opens })],
        [t("share.with"), withOf],
        [t("share.by"), of.made_by],
        [t("share.when"), <When key="m" at={of.made_at} ago />],
        [t("share.expires"), <When key="e" at={of.expires_at} ago />],
        [t("share.states.revoked"), of.revoked_at && <When key="r" at={of.revoked_at} ago />],
      ]} />
      <Section title={t("audit.studyCount", { count: of.studies.length })}>
        {of.studies.map((uid) => <div key={uid}><To to="/studies/$uid" params={{ uid } as never} className={classes.code} style={{ color: "var(--accent)" }}>{uid}</To></div>)}
      </Section>
      {ending && <Ask danger title={t("share.revokeTitle")} text={t("share.revokeText")} verb={t("share.revoke")} refresh={[["shares"]]} done={t("share.revoked")} onClose={() => setEnding(false)} act={() => api.shares.revoke({ pk: of.id })} />}
    </Panel>
  );
}
