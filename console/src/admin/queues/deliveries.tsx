import "../words";
import { Button, SegmentedControl, Text } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useCallback, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, type DeliveryAnswer, type DestinationAnswer } from "../../api/v1";
import { Designed } from "../../kit/states";
import { type Column, Table } from "../../kit/table";
import classes from "../admin.module.css";
import { Ask, Facts, Note, Panel, Room, Section, State, type Tone, useAct, useAddress, When } from "../parts";

export const useTabs = () => {
  const { t } = useTranslation();
  return [
    { to: "/queues", label: t("queues.tab.deliveries") },
    { to: "/queues/destinations", label: t("queues.tab.destinations") },
    { to: "/queues/jobs", label: t("queues.tab.jobs") },
  ];
};

export const TONES: Record<string, Tone> = { waiting: "busy", running: "busy", done: "good", failed: "bad", dead: "bad", cancelled: "muted", sent: "good", warned: "warn", delivered: "good" };
const STATES = ["waiting", "failed", "done", "cancelled"] as const;

/** What is sent to other devices, how far it is, and what failed. */
export function Deliveries() {
  const { t } = useTranslation();
  const tabs = useTabs();
  const [at, go] = useAddress();
  const state = STATES.find((each) => each === at.state);
  const found = useInfiniteQuery({
    queryKey: ["deliveries", state, at.to],
    queryFn: ({ pageParam }) => api.queues.show({ query: { state, to: at.to || undefined, before: pageParam || undefined, limit: 200 } }),
    initialPageParam: 0,
    getNextPageParam: (last) => (last.next ? last.deliveries.at(-1)?.id : undefined),
    refetchInterval: 3000,
  });
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = found;
  const more = useCallback(() => { if (hasNextPage && !isFetchingNextPage) void fetchNextPage(); }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const rows = found.data?.pages.flatMap((page) => page.deliveries) ?? [];
  const open = rows.find((row) => String(row.id) === at.delivery);
  const columns: Column<DeliveryAnswer>[] = [
    { key: "id", title: "№", width: "60px", numeric: true, cell: (row) => row.id },
    { key: "to", title: t("queues.to"), width: "minmax(150px, 1fr)", cell: (row) => <Text span inherit fw={600}>{row.ae_title}</Text> },
    { key: "state", title: t("devices.state"), width: "minmax(120px, 1fr)", cell: (row) => <State tone={TONES[row.state] ?? "muted"}>{t(`queues.state.${row.state}`, { defaultValue: row.state })}</State> },
    { key: "progress", title: t("queues.progress"), width: "minmax(170px, 1.4fr)", cell: (row) => <Progress of={row} /> },
    { key: "trouble", title: t("queues.trouble"), width: "minmax(160px, 2.4fr)", cell: (row) => <span title={row.trouble}>{row.trouble}</span> },
    { key: "reason", title: t("queues.why"), width: "minmax(110px, 1fr)", cell: (row) => row.reason },
    { key: "at", title: t("queues.asked"), width: "172px", cell: (row) => <When at={row.created_at} /> },
  ];
  return (
    <Room tabs={tabs}
      tools={<>
        <SegmentedControl size="xs" aria-label={t("devices.state")} value={state ?? ""} onChange={(next) => go({ state: next || undefined })}
          data={[{ value: "", label: t("common.all") }, ...STATES.map((each) => ({ value: each, label: t(`queues.state.${each}`) }))]} />
        {at.to && <Button size="compact-xs" variant="default" onClick={() => go({ to: undefined })}>{t("queues.onlyTo", { title: at.to })} ✕</Button>}
        <div className={classes.spacer} />
        <Text size="xs" c="dimmed">{t("common.shown", { shown: rows.length })}</Text>
      </>}
      panel={open && <DeliveryPanel key={open.id} of={open} onClose={() => go({ delivery: undefined })} />}>
      {found.isError ? <Designed.Failed error={found.error} retry={() => void found.refetch()} /> : (
        <Table label={t("queues.tab.deliveries")} columns={open ? columns.slice(0, 4) : columns} rows={rows} rowKey={(row) => String(row.id)} selected={at.delivery} loading={found.isLoading} onMore={more}
          onSelect={(row) => go({ delivery: String(row.id) })} empty={<Designed.Empty title={t("queues.empty")} hint={t("queues.emptyHint")} />} />
      )}
    </Room>
  );
}

function Progress({ of }: { of: DeliveryAnswer }) {
  const { t } = useTranslation();
  const share = (count: number) => `${(100 * count) / Math.max(1, of.total)}%`;
  return (
    <span style={{ display: "grid", gridTemplateColumns: "1fr auto", gap: 8, alignItems: "center" }} role="img" aria-label={t("queues.progressOf", { sent: of.sent, total: of.total, failed: of.failed })}>
      <span className={classes.bar}><i style={{ width: share(of.sent) }} /><i className={classes.lost} style={{ width: share(of.failed) }} /></span>
      <span>{of.sent}/{of.total}{of.failed > 0 && <span className={classes.bad}> −{of.failed}</span>}</span>
    </span>
  );
}

function DeliveryPanel({ of, onClose }: { of: DeliveryAnswer; onClose: () => void }) {
  const { t } = useTranslation();
  const [dropping, setDropping] = useState(false);
  const refresh = [["deliveries"], ["delivery-items"], ["destinations"]] as const;
  const retry = useAct(() => api.queues.retry({ pk: of.id }), { done: t("queues.retried"), refresh, loud: true });
  const destinations = useQuery({ queryKey: ["destinations"], queryFn: () => api.queues.destinations(), refetchInterval: 5000 });
  const destination = destinations.data?.destinations.find((each) => each.ae_title === of.ae_title);
  const over = of.state === "failed" || of.state === "cancelled";
  return (
    <Panel title={t("queues.one", { id: of.id, title: of.ae_title })} label={t("queues.one", { id: of.id, title: of.ae_title })} sub={of.reason} onClose={onClose}
      actions={<>
        {(over || of.failed > 0) && <Button size="compact-sm" loading={retry.isPending} onClick={() => retry.mutate(undefined)}>{t("queues.retry", { count: of.total - of.sent })}</Button>}
        {of.state === "waiting" && <Button size="compact-sm" variant="default" onClick={() => setDropping(true)}>{t("queues.drop")}</Button>}
      </>}>
      {of.trouble && !(of.state === "waiting" && destination?.trouble === of.trouble) && <Note tone={of.state === "failed" ? "bad" : "warn"} title={t(of.state === "failed" ? "queues.gaveUp" : "queues.lastTrouble")}>{of.trouble}</Note>}
      {destination && of.state === "waiting" && <DestinationNote of={destination} />}
      <Progress of={of} />
      <Facts of={[
        [t("devices.state"), <State key="s" tone={TONES[of.state] ?? "muted"}>{t(`queues.state.${of.state}`, { defaultValue: of.state })}</State>],
        [t("queues.counts"), t("queues.countsOf", { sent: of.sent, waiting: of.waiting, failed: of.failed, total: of.total })],
        [t("queues.warned"), of.warned || ""],
        [t("queues.repeated"), of.repeated ? t("queues.repeatedText", { count: of.repeated }) : ""],
        [t("queues.priority"), t(`policy.choice.${of.priority}`)],
        [t("queues.commit"), of.commit && t("admin.yes")],
        [t("queues.by"), of.principal],
        [t("queues.asked"), <When key="a" at={of.created_at} ago />],
        [t("queues.finished"), of.finished_at && <When key="f" at={of.finished_at} ago />],
      ]} />
      <Items pk={of.id} />
      {dropping && <Ask danger title={t("queues.dropTitle", { id: of.id })} text={t("queues.dropText", { count: of.waiting, sent: of.sent, title: of.ae_title })} verb={t("queues.drop")} onClose={() => setDropping(false)}
        act={() => api.queues.cancel({ pk: of.id })} done={t("queues.dropped")} refresh={refresh} />}
    </Panel>
  );
}

function DestinationNote({ of }: { of: DestinationAnswer }) {
  const { t } = useTranslation();
  const resume = useAct(() => api.queues.resume({ title: of.ae_title }), { done: t("queues.resumed", { title: of.ae_title }), refresh: [["destinations"]], loud: true });
  if (of.state === "in use") return null;
  return (
    <Note tone={of.state === "away" ? "bad" : "warn"} title={t(`devices.destination.${of.state}`, { count: of.waiting })}>
      {of.trouble} {of.away_until && <div>{t("queues.nextTry")} <When at={of.away_until} ago /></div>}
      <Button mt={6} size="compact-xs" variant="default" loading={resume.isPending} onClick={() => resume.mutate(undefined)}>{t(of.state === "away" ? "queues.tryNow" : "queues.resume")}</Button>
    </Note>
  );
}

/** The objects that did not arrive, with what the destination said. */
function Items({ pk }: { pk: number }) {
  const { t } = useTranslation();
  const items = useQuery({ queryKey: ["delivery-items", pk], queryFn: () => api.queues.items({ pk, query: { limit: 200 } }), refetchInterval: 5000 });
  const rows = (items.data?.items ?? []).filter((item) => item.state !== "sent" || item.unsure);
  if (items.isLoading) return <Designed.Skeleton rows={3} />;
  if (rows.length === 0) return null;
  return (
    <Section title={t("queues.notThere")}>
      <table className={classes.plain}>
        <thead><tr><th>{t("devices.state")}</th><th>{t("queues.attempts")}</th><th>{t("queues.answer")}</th><th>{t("queues.object")}</th></tr></thead>
        <tbody>
          {rows.slice(0, 50).map((item) => (
            <tr key={item.n}>
              <td><State tone={TONES[item.state] ?? "muted"}>{t(`queues.state.${item.state}`, { defaultValue: item.state })}</State></td>
              <td>{item.attempts}</td>
              <td>{item.status !== null && item.status.toString(16).toUpperCase().padStart(4, "0")} {item.comment}{item.unsure && <div className={classes.muted}>{t("queues.unsure")}</div>}</td>
              <td className={classes.code}>{item.sop_uid}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > 50 && <Text size="xs" c="dimmed">{t("queues.andMore", { count: rows.length - 50 })}</Text>}
    </Section>
  );
}
