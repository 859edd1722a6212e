import "../words";
import { Button, SegmentedControl, Text } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useCallback, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, type JobAnswer } from "../../api/v1";
import { Designed } from "../../kit/states";
import { type Column, Table } from "../../kit/table";
import classes from "../admin.module.css";
import { Ask, Facts, Note, Panel, Room, Section, State, useAct, useAddress, When } from "../parts";
import { TONES, useTabs } from "./deliveries";

// So many attempts are no limit: time is.
const UNLIMITED = 1000;
const STATES = ["waiting", "running", "dead", "done", "cancelled"] as const;

/** Durable work: how far it is, what went wrong, what to do with what failed for good. */
export function Jobs() {
  const { t } = useTranslation();
  const tabs = useTabs();
  const [at, go] = useAddress();
  const state = STATES.find((each) => each === at.state);
  const found = useInfiniteQuery({
    queryKey: ["jobs", state, at.queue],
    queryFn: ({ pageParam }) => api.jobs.show({ query: { state: state ? [state] : undefined, queue: at.queue || undefined, before: pageParam || undefined, limit: 200 } }),
    initialPageParam: 0,
    getNextPageParam: (last) => (last.next ? last.jobs.at(-1)?.id : undefined),
    refetchInterval: 3000,
  });
  const queues = useQuery({ queryKey: ["jobs", "queues"], queryFn: () => api.jobs.queues(), refetchInterval: 5000 });
  const dead = (queues.data?.queues ?? []).reduce((sum, each) => sum + each.dead, 0);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = found;
  const more = useCallback(() => { if (hasNextPage && !isFetchingNextPage) void fetchNextPage(); }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const rows = found.data?.pages.flatMap((page) => page.jobs) ?? [];
  const open = rows.find((row) => String(row.id) === at.job);
  const columns: Column<JobAnswer>[] = [
    { key: "id", title: "№", width: "70px", numeric: true, cell: (row) => row.id },
    { key: "kind", title: t("jobs.kind"), width: "minmax(150px, 1fr)", cell: (row) => <Text span inherit fw={600}>{t(`jobs.kinds.${row.kind}`, { defaultValue: row.kind })}</Text> },
    { key: "state", title: t("devices.state"), width: "minmax(130px, 0.8fr)", cell: (row) => <State tone={TONES[row.state] ?? "muted"}>{t(`queues.state.${row.state}`, { defaultValue: row.state })}</State> },
    { key: "progress", title: t("queues.progress"), width: "minmax(110px, 1fr)", cell: (row) => progressOf(row.progress) },
    { key: "error", title: t("jobs.error"), width: "minmax(180px, 3fr)", cell: (row) => <span title={row.last_error ?? ""}>{row.last_error}</span> },
    { key: "attempts", title: t("queues.attempts"), width: "90px", numeric: true, cell: (row) => (row.max_attempts >= UNLIMITED ? row.attempts : `${row.attempts}/${row.max_attempts}`) },
    { key: "due", title: t("jobs.due"), width: "172px", cell: (row) => <When at={row.finished_at ?? row.due_at} /> },
  ];
  return (
    <Room tabs={tabs}
      tools={<>
        <SegmentedControl size="xs" aria-label={t("devices.state")} value={state ?? ""} onChange={(next) => go({ state: next || undefined })}
          data={[{ value: "", label: t("common.all") }, ...STATES.map((each) => ({ value: each, label: each === "dead" && dead > 0 ? `${t("queues.state.dead")} (${dead})` : t(`queues.state.${each}`) }))]} />
        <div className={classes.spacer} />
        <Text size="xs" c="dimmed">{(queues.data?.queues ?? []).map((each) => t("jobs.queueOf", { queue: each.queue, waiting: each.waiting, running: each.running })).join(" · ")}</Text>
      </>}
      panel={open && <JobPanel key={open.id} of={open} onClose={() => go({ job: undefined })} />}>
      {found.isError ? <Designed.Failed error={found.error} retry={() => void found.refetch()} /> : (
        <Table label={t("queues.tab.jobs")} columns={open ? columns.slice(0, 4) : columns} rows={rows} rowKey={(row) => String(row.id)} selected={at.job} loading={found.isLoading} onMore={more}
          onSelect={(row) => go({ job: String(row.id) })}
          empty={<Designed.Empty title={t(state === "dead" ? "jobs.noneDead" : "jobs.empty")} hint={t("jobs.emptyHint")} />} />
      )}
    </Room>
  );
}

function progressOf(progress: unknown): string {
  if (typeof progress === "number") return `${Math.round(progress * 100)} %`;
  if (typeof progress !== "object" || progress === null) return progress === null || progress === undefined ? "" : String(progress);
  const { done, total } = progress as { done?: number; total?: number };
  return done !== undefined && total !== undefined ? `${done}/${total}` : Object.entries(progress).map(([key, value]) => `${key} ${String(value)}`).join(", ");
}

function JobPanel({ of, onClose }: { of: JobAnswer; onClose: () => void }) {
  const { t } = useTranslation();
  const [dropping, setDropping] = useState(false);
  const refresh = [["jobs"]] as const;
  const retry = useAct(() => api.jobs.retry({ pk: of.id }), { done: t("jobs.again"), refresh, loud: true });
  const first = useAct(() => api.jobs.change({ pk: of.id, body: { priority: 100 } }), { done: t("jobs.isFirst"), refresh, loud: true });
  const name = t("jobs.one", { id: of.id, kind: t(`jobs.kinds.${of.kind}`, { defaultValue: of.kind }) });
  return (
    <Panel title={name} label={name} sub={t("jobs.inQueue", { queue: of.queue })} onClose={onClose}
      actions={<>
        {(of.state === "dead" || of.state === "cancelled") && <Button size="compact-sm" loading={retry.isPending} onClick={() => retry.mutate(undefined)}>{t("jobs.retry")}</Button>}
        {of.state === "waiting" && <Button size="compact-sm" variant="default" loading={first.isPending} onClick={() => first.mutate(undefined)}>{t("jobs.first")}</Button>}
        {(of.state === "waiting" || of.state === "running") && <Button size="compact-sm" variant="default" onClick={() => setDropping(true)}>{t("queues.drop")}</Button>}
      </>}>
      {of.last_error && <Note tone={of.state === "dead" ? "bad" : "warn"} title={t(of.state === "dead" ? "jobs.deadTitle" : "queues.lastTrouble")}>{of.last_error}</Note>}
      <Facts of={[
        [t("devices.state"), <State key="s" tone={TONES[of.state] ?? "muted"}>{t(`queues.state.${of.state}`, { defaultValue: of.state })}</State>],
        [t("queues.progress"), progressOf(of.progress)],
        [t("queues.attempts"), t("jobs.attemptsOf", { attempts: of.attempts, most: of.max_attempts })],
        [t("jobs.priority"), of.priority || ""],
        [t("queues.by"), of.principal],
        [t("queues.asked"), <When key="c" at={of.created_at} ago />],
        [t("jobs.due"), of.finished_at ? "" : <When key="d" at={of.due_at} ago />],
        [t("jobs.until"), of.retry_until && <When key="u" at={of.retry_until} ago />],
        [t("queues.finished"), of.finished_at && <When key="f" at={of.finished_at} ago />],
      ]} />
      <Section title={t("jobs.body")}><pre className={classes.pre}>{JSON.stringify(of.body, null, 2)}</pre></Section>
      {dropping && <Ask danger title={t("jobs.dropTitle", { id: of.id })} text={t("jobs.dropText")} verb={t("queues.drop")} onClose={() => setDropping(false)}
        act={() => api.jobs.cancel({ pk: of.id })} done={t("jobs.dropped")} refresh={refresh} />}
    </Panel>
  );
}
