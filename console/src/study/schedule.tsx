import { ActionIcon, Anchor, Badge, Button, Chip, Group, Select, Text } from "@mantine/core";
import { IconPlus, IconX } from "@tabler/icons-react";
import { keepPreviousData, useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, useNavigate, useRouterState } from "@tanstack/react-router";
import { useCallback, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import "./words";
import { useLive } from "../api/live";
import { api, type StepEvent, type StepShown, type StepStatus } from "../api/v1";
import { Days, FilterBox } from "../kit/filters";
import { dicomDay, showDate, showName, showTime } from "../kit/format";
import { etagOf, Problem } from "../kit/http";
import { ReasonDialog } from "../kit/reason";
import { Says, say } from "../kit/says";
import { Designed } from "../kit/states";
import { type Column, Table } from "../kit/table";
import { useMay } from "./actions";
import { PAGE } from "./data";
import { OrderForm, Reschedule } from "./order-form";
import classes from "./studies.module.css";

export interface ScheduleSearch {
  /** Days as YYYYMMDD; 'any' for no limit. Without them: today. */
  from?: string;
  to?: string;
  modality?: string;
  status?: string;
  station?: string;
  id?: string;
  accession?: string;
  step?: string;
}

const MODALITIES = ["CT", "MR", "CR", "DX", "US", "XA", "NM", "PT", "MG", "RF"];
const STATES: StepStatus[] = ["SCHEDULED", "ARRIVED", "READY", "STARTED", "COMPLETED", "DISCONTINUED", "CANCELED", "DEPARTED"];
const FACTS = ["OrderScheduled", "OrderCancelled", "StepChanged", "StepPerformed"];
const COLOR: Record<string, string> = { SCHEDULED: "gray", ARRIVED: "film", READY: "film", STARTED: "yellow", COMPLETED: "green", DISCONTINUED: "red", CANCELED: "gray", DEPARTED: "gray" };
/** What may happen next to a step in each state. */
const NEXT: Record<string, StepEvent[]> = {
  SCHEDULED: ["arrived", "prepared", "begun"],
  ARRIVED: ["prepared", "begun", "left"],
  READY: ["begun", "left"],
  STARTED: ["done", "broken-off"],
};
const keyOf = (step: StepShown) => String(step.id);
const stampOf = (step: StepShown) => JSON.stringify(step);

/** A name as one text of its groups, read as people do. */
export const writtenName = (name: string) => {
  const [Alphabetic = "", Ideographic = "", Phonetic = ""] = name.split("=");
  return showName({ Alphabetic, Ideographic, Phonetic });
};

/** The schedule room: the steps of a day, by modality and station, and the orders behind them. */
export function Schedule() {
  const { t } = useTranslation();
  const search = useRouterState({ select: (state) => state.location.search as ScheduleSearch });
  const navigate = useNavigate();
  const may = useMay();
  const [ordering, setOrdering] = useState(false);
  const change = useCallback(
    (part: ScheduleSearch) => void navigate({ to: "/schedule", search: ((old: ScheduleSearch) => ({ ...old, ...part })) as never, replace: true }),
    [navigate],
  );
  const today = dicomDay(new Date());
  const any = search.from === "any";
  const from = any ? undefined : (search.from ?? (search.to ? undefined : today));
  const to = any ? undefined : (search.to ?? (search.from ? undefined : today));
  const { step: selected, ...filter } = search;
  const found = useInfiniteQuery({
    queryKey: ["steps", from, to, filter.modality, filter.status, filter.station, filter.id, filter.accession],
    queryFn: ({ pageParam }) =>
      api.worklist.steps({
        query: {
          first_day: from, last_day: to, modality: filter.modality?.split(","), status: filter.status ? [filter.status as StepStatus] : undefined,
          station: filter.station, patient_id: filter.id, accession: filter.accession, after: pageParam || undefined, limit: PAGE,
        },
      }),
    initialPageParam: "",
    getNextPageParam: (last) => last.next ?? undefined,
    placeholderData: keepPreviousData,
    refetchInterval: 60_000,
  });
  useLive(FACTS, ["steps"]);
  const rows = useMemo(() => found.data?.pages.flatMap((page) => page.steps) ?? [], [found.data]);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = found;
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const step = rows.find((row) => keyOf(row) === selected);
  const filtered = Boolean(filter.modality || filter.status || filter.station || filter.id || filter.accession);
  const clear = () => change({ modality: undefined, status: undefined, station: undefined, id: undefined, accession: undefined });
  const box = (key: "id" | "accession" | "station", label: string) => <FilterBox value={filter[key] ?? ""} label={label} onChange={(value) => change({ [key]: value || undefined })} />;
  const columns: Column<StepShown>[] = [
    { key: "day", title: t("order.day"), width: "104px", cell: (row) => showDate(row.start_date) },
    { key: "time", title: t("order.time"), width: "60px", cell: (row) => showTime(row.start_time) },
    { key: "status", title: t("order.status"), width: "124px", cell: (row) => <Status status={row.status} /> },
    { key: "modality", title: t("order.modality"), width: "76px", cell: (row) => row.modality },
    { key: "station", title: t("order.station"), width: "minmax(110px, 1fr)", cell: (row) => row.stations.join(", "), filter: box("station", t("order.station")) },
    { key: "name", title: t("study.patient"), width: "minmax(170px, 2fr)", cell: (row) => <StepName name={row.patient_name} /> },
    { key: "id", title: t("study.id"), width: "minmax(110px, 1fr)", cell: (row) => row.patient_id, filter: box("id", t("study.id")) },
    { key: "procedure", title: t("order.procedure"), width: "minmax(140px, 2fr)", cell: (row) => row.description },
    { key: "accession", title: t("study.accession"), width: "minmax(130px, 1fr)", cell: (row) => row.accession, filter: box("accession", t("study.accession")) },
  ];
  const place = may("store") && <Button size="compact-xs" leftSection={<IconPlus size={14} />} onClick={() => setOrdering(true)}>{t("order.new")}</Button>;
  const empty = filtered ? (
    <Designed.Empty title={t("order.noMatch")} hint={t("order.noMatchHint")} action={<Button size="compact-sm" variant="default" onClick={clear}>{t("common.clear")}</Button>} />
  ) : (
    <Designed.Empty title={t("order.empty")} hint={t("order.emptyHint")} action={place} />
  );
  return (
    <div className={classes.room}>
      <div className={classes.list}>
        <Group className={classes.tools} gap="xs">
          <Days ahead from={from} to={to} onChange={(span) => change(span.from || span.to ? span : { from: "any", to: undefined })} />
          <Group gap={4} className={classes.chips} role="group" aria-label={t("order.modality")}>
            {MODALITIES.map((modality) => {
              const kept = (filter.modality ?? "").split(",").filter(Boolean);
              const on = kept.includes(modality);
              return <Chip key={modality} size="xs" radius="sm" variant="light" checked={on} onChange={() => change({ modality: (on ? kept.filter((each) => each !== modality) : [...kept, modality]).join(",") || undefined })}>{modality}</Chip>;
            })}
          </Group>
          <Select size="xs" w={130} placeholder={t("order.allStatus")} aria-label={t("order.status")} clearable value={filter.status ?? null} onChange={(status) => change({ status: status ?? undefined })}
            data={STATES.map((value) => ({ value, label: t(`order.state.${value}`) }))} />
          <Group gap="xs" wrap="nowrap" className={classes.end}>
          {filtered && <Button size="compact-xs" variant="subtle" onClick={clear}>{t("common.clear")}</Button>}
          <Text size="xs" c="dimmed" className={classes.total} aria-live="polite">{found.data && t("order.steps", { count: rows.length })}{hasNextPage && "+"}</Text>
          {place}
          </Group>
        </Group>
        {found.isError && rows.length === 0 ? <Designed.Failed error={found.error} retry={() => void found.refetch()} /> : (
          <Table label={t("room.schedule")} columns={step ? columns.filter((column) => !["id", "accession"].includes(column.key)) : columns} rows={rows} rowKey={keyOf} stamp={stampOf} of={JSON.stringify(filter)} selected={selected}
            onSelect={(row) => change({ step: keyOf(row) })} onMore={more} loading={found.isLoading} empty={empty} />
        )}
      </div>
      {step && <StepPanel key={step.id} step={step} onClose={() => change({ step: undefined })} />}
      {ordering && <OrderForm onClose={() => setOrdering(false)} />}
      <Says />
    </div>
  );
}

function Status({ status }: { status: string }) {
  const { t } = useTranslation();
  return <Badge size="sm" variant="light" color={COLOR[status] ?? "gray"} tt="none">{t(`order.state.${status}`, { defaultValue: status })}</Badge>;
}

function StepName({ name }: { name: string }) {
  const { t } = useTranslation();
  const { main, other } = writtenName(name);
  return <span>{main || t("study.noName")}{other && <Text span c="dimmed" inherit ml={8}>{other}</Text>}</span>;
}

function StepPanel({ step, onClose }: { step: StepShown; onClose: () => void }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const may = useMay();
  const [dialog, setDialog] = useState<"cancel" | "reschedule" | "broken-off">();
  const order = useQuery({ queryKey: ["steps", "order", step.accession], queryFn: () => api.orders.show({ accession: step.accession }), structuralSharing: false });
  const seen = order.data && etagOf(order.data); // what is done is done to the order as it is shown here
  const study = useQuery({ queryKey: ["studies", "scheduled", step.study_uid], queryFn: () => api.studies.list({ query: { q: step.study_uid, limit: 1 } }) });
  const images = study.data?.studies.find((each) => each.uid === step.study_uid)?.images;
  const changed = () => void queries.invalidateQueries({ queryKey: ["steps"] });
  const happen = useMutation({
    mutationFn: ({ event, why }: { event: StepEvent; why?: string }) => api.orders.change({ accession: step.accession, step: step.step_id, body: { event, why }, ifMatch: seen }),
    onSuccess: () => {
      say(t("order.changed"));
      setDialog(undefined);
    },
    onError: (error) => say(error instanceof Problem && error.status === 412 ? t("conflict.title") : error.message, { bad: true }),
    onSettled: changed,
  });
  const cancel = useMutation({
    mutationFn: (why: string) => api.orders.cancel({ accession: step.accession, query: { why }, ifMatch: seen }),
    onSuccess: () => {
      say(t("order.cancelDone"));
      setDialog(undefined);
    },
    onSettled: changed,
  });
  const steps = order.data?.steps ?? [step];
  const open = steps.filter((each) => ["SCHEDULED", "ARRIVED", "READY"].includes(each.status));
  const { main, other } = writtenName(step.patient_name);
  const facts: [string, string][] = [
    [t("order.start"), `${showDate(step.start_date)} ${showTime(step.start_time)}`],
    [t("order.modality"), step.modality],
    [t("order.station"), step.stations.join(", ")],
    [t("order.procedure"), step.description],
    [t("study.accession"), step.accession],
    [t("order.stepId"), step.step_id],
    [t("order.placer"), order.data?.order.placer_number ?? ""],
  ];
  return (
    <aside className={classes.panel} aria-label={t("order.order")}>
      <div className={classes.patient}>
        <Group justify="space-between" wrap="nowrap" align="start">
          <div style={{ minWidth: 0 }}>
            <Text fw={650} size="lg" lh={1.25}>{main || t("study.noName")}{other && <Text span c="dimmed" size="sm" fw={400} ml={8}>{other}</Text>}</Text>
            <Text size="sm">{step.patient_id}{order.data?.order.patient_issuer && <Text span c="dimmed" inherit> · {order.data.order.patient_issuer}</Text>}</Text>
          </div>
          <ActionIcon variant="subtle" color="gray" onClick={onClose} aria-label={t("common.close")}><IconX size={16} /></ActionIcon>
        </Group>
        <div style={{ marginTop: 6 }}><Status status={step.status} /></div>
        <dl className={classes.facts}>
          {facts.filter(([, value]) => value.trim()).map(([label, value]) => (
            <div key={label} style={{ display: "contents" }}><dt>{label}</dt><dd>{value}</dd></div>
          ))}
          <dt>{t("order.images")}</dt>
          <dd>{images ? <Anchor component={Link} to="/studies/$uid" params={{ uid: step.study_uid } as never} size="xs">{t("study.seriesImages", { count: images })}</Anchor> : t("order.noImages")}</dd>
        </dl>
        {may("store") && (
          <Group gap={6} mt={10}>
            {(NEXT[step.status] ?? []).map((event) => (
              <Button key={event} size="compact-sm" variant="default" loading={happen.isPending && happen.variables?.event === event}
                onClick={() => (event === "broken-off" ? setDialog("broken-off") : happen.mutate({ event }))}>{t(`order.event.${event}`)}</Button>
            ))}
            {open.some((each) => each.id === step.id) && <Button size="compact-sm" variant="default" onClick={() => setDialog("reschedule")}>{t("order.reschedule")}</Button>}
            {open.length > 0 && <Button size="compact-sm" variant="default" c="red" onClick={() => setDialog("cancel")}>{t("order.cancel")}</Button>}
          </Group>
        )}
      </div>
      <div className={classes.scroll}>
        <Text size="xs" c="dimmed" px={14} py={8}>{t("order.others")}</Text>
        {order.isError && <Designed.Failed error={order.error} retry={() => void order.refetch()} />}
        {steps.map((each) => (
          <div key={each.id} className={classes.study}>
            <div style={{ minWidth: 0 }}>
              <Text size="sm" truncate>{each.description || t("study.noDescription")}</Text>
              <Text size="xs" c="dimmed">{[`${showDate(each.start_date)} ${showTime(each.start_time)}`, each.modality, each.stations.join(", ")].filter((part) => part.trim()).join(" · ")}</Text>
            </div>
            <Status status={each.status} />
          </div>
        ))}
      </div>
      {dialog === "cancel" && (
        <ReasonDialog danger title={t("order.cancel")} what={t("order.cancelWhat", { steps: t("order.steps", { count: open.length }), accession: step.accession })} usual={t("order.cancelUsual", { returnObjects: true }) as string[]}
          action={t("order.cancel")} busy={cancel.isPending} error={cancel.error} onClose={() => setDialog(undefined)} onDo={(why) => cancel.mutate(why)} />
      )}
      {dialog === "broken-off" && (
        <ReasonDialog danger title={t("order.event.broken-off")} what={`${main} · ${step.description}`} action={t("order.event.broken-off")} busy={happen.isPending} error={happen.error} onClose={() => setDialog(undefined)}
          onDo={(why) => happen.mutate({ event: "broken-off", why })} />
      )}
      {dialog === "reschedule" && <Reschedule step={step} seen={seen} onClose={() => setDialog(undefined)} onDone={changed} />}
    </aside>
  );
}
