import { ActionIcon, Anchor, Button, Group, Modal, Stack, Text, TextInput, Textarea, Tooltip } from "@mantine/core";
import { IconArrowMerge, IconHistory, IconX } from "@tabler/icons-react";
import { keepPreviousData, useInfiniteQuery, useMutation, useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useRouterState } from "@tanstack/react-router";
import { useCallback, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import "./words";
import { useLive } from "../api/live";
import { api, type PatientRow, type StudyShown } from "../api/v1";
import { FilterBox } from "../kit/filters";
import { dicomDay, showAge, showDate, showSex, showTime } from "../kit/format";
import { Says, say } from "../kit/says";
import { Designed } from "../kit/states";
import { type Column, Table } from "../kit/table";
import type { Language } from "../kit/words";
import { useMay } from "./actions";
import { Banner } from "./banner";
import { findStudies, openViewer, PAGE, STUDY_FACTS } from "./data";
import { useStudiesChanged } from "./delete";
import { History } from "./history";
import { Name } from "./name";
import classes from "./studies.module.css";

export interface PatientSearch {
  q?: string;
  sort?: string;
  patient?: string;
  issuer?: string;
}

/** A patient without an identifier has no name of its own: its place is its key. */
type Keyed = PatientRow & { key: string };
const keyed = (row: PatientRow, place: number): Keyed => ({ ...row, key: row.patient.id ? JSON.stringify([row.patient.id, row.patient.issuer]) : `#${place}` });
const keyOf = (row: Keyed) => row.key;
const stampOf = (row: Keyed) => JSON.stringify(row);
type Sort = NonNullable<NonNullable<Parameters<typeof api.patients.list>[0]>["query"]>["sort"];

/** The patients room: by name, Chinese ones by their pinyin, each with their studies. */
export function Patients() {
  const { t, i18n } = useTranslation();
  const language = i18n.language as Language;
  const search = useRouterState({ select: (state) => state.location.search as PatientSearch });
  const navigate = useNavigate();
  const change = useCallback(
    (part: PatientSearch) => void navigate({ to: "/patients", search: ((old: PatientSearch) => ({ ...old, ...part })) as never, replace: true }),
    [navigate],
  );
  const found = useInfiniteQuery({
    queryKey: ["patients", search.q, search.sort],
    queryFn: ({ pageParam }) =>
      api.patients.list({ query: { q: search.q, sort: search.sort as Sort, after: pageParam || undefined, limit: PAGE, count: pageParam === "" ? true : undefined } }),
    initialPageParam: "",
    getNextPageParam: (last) => last.next ?? undefined,
    placeholderData: keepPreviousData,
  });
  useLive(STUDY_FACTS, ["patients"]);
  const rows = useMemo(() => (found.data?.pages.flatMap((page) => page.patients) ?? []).map(keyed), [found.data]);
  const first = found.data?.pages[0];
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = found;
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const current = rows.find((row) => search.patient && row.patient.id === search.patient && row.patient.issuer === (search.issuer ?? ""));
  const today = dicomDay(new Date());
  const columns: Column<Keyed>[] = [
    { key: "name", title: t("study.patient"), width: "minmax(200px, 3fr)", cell: (row) => <Name name={row.patient.name} />, sort: "name", filter: <FilterBox value={search.q ?? ""} label={t("patients.search")} onChange={(q) => change({ q: q || undefined })} /> },
    { key: "id", title: t("study.id"), width: "minmax(120px, 1.5fr)", cell: (row) => row.patient.id || t("study.noId"), sort: "id" },
    { key: "issuer", title: t("study.issuer"), width: "minmax(100px, 1fr)", cell: (row) => row.patient.issuer },
    { key: "sex", title: t("study.sex"), width: "64px", cell: (row) => showSex(row.patient.sex, language) },
    { key: "birth", title: t("study.birth"), width: "110px", cell: (row) => showDate(row.patient.birth_date), sort: "birth" },
    { key: "age", title: t("study.age"), width: "72px", cell: (row) => showAge(row.patient.birth_date, today, language) },
    { key: "studies", title: t("patients.studies"), width: "80px", numeric: true, cell: (row) => row.studies },
    { key: "images", title: t("study.images"), width: "88px", numeric: true, cell: (row) => row.images },
  ];
  const empty = search.q ? (
    <Designed.Empty title={t("patients.noMatch")} hint={t("patients.noMatchHint")} action={<Button size="compact-sm" variant="default" onClick={() => change({ q: undefined })}>{t("common.clear")}</Button>} />
  ) : (
    <Designed.Empty title={t("patients.empty")} hint={t("patients.emptyHint")} />
  );
  return (
    <div className={classes.room}>
      <div className={classes.list}>
        <Group className={classes.tools} justify="space-between" mih={38}>
          {search.q ? <Button size="compact-xs" variant="subtle" onClick={() => change({ q: undefined })}>{t("common.clear")}</Button> : <span />}
          <Text size="xs" c="dimmed" className={classes.total} aria-live="polite">
            {first && t(first.more ? "patients.moreThan" : "patients.total", { count: first.total ?? rows.length })}
          </Text>
        </Group>
        {found.isError && rows.length === 0 ? <Designed.Failed error={found.error} retry={() => void found.refetch()} /> : (
          <Table
            label={t("room.patients")} columns={search.patient ? columns.filter((column) => !["issuer", "images", "age"].includes(column.key)) : columns} rows={rows} rowKey={keyOf} stamp={stampOf} of={`${search.q}|${search.sort}`}
            selected={current && keyOf(current)} onSelect={(row) => change({ patient: row.patient.id || undefined, issuer: row.patient.issuer || undefined })}
            sort={search.sort} onSort={(sort) => change({ sort })} onMore={more} loading={found.isLoading} empty={empty}
          />
        )}
      </div>
      {search.patient && <PatientPanel key={`${search.patient}|${search.issuer}`} id={search.patient} issuer={search.issuer} onClose={() => change({ patient: undefined, issuer: undefined })} />}
      <Says />
    </div>
  );
}

function PatientPanel({ id, issuer, onClose }: { id: string; issuer?: string; onClose: () => void }) {
  const { t } = useTranslation();
  const may = useMay();
  const [merging, setMerging] = useState(false);
  const [history, setHistory] = useState(false);
  const found = useQuery({ queryKey: ["studies", "of", id, issuer], queryFn: () => findStudies({ id: `${id}`, issuer }, "") });
  useLive(STUDY_FACTS, ["studies", "of", id]);
  const studies = (found.data?.studies ?? []).filter((study) => study.patient.id === id && study.patient.issuer === (issuer ?? ""));
  const one = studies[0];
  const whole = useQuery({ queryKey: ["study", one?.uid], queryFn: () => api.studies.show({ uid: one!.uid }), enabled: history && one !== undefined });
  return (
    <aside className={classes.panel} aria-label={t("study.patient")}>
      <div className={classes.patient}>
        <Group justify="space-between" wrap="nowrap" align="start">
          {one ? <Banner patient={one.patient} day={dicomDay(new Date())} /> : <Text size="sm">{id}</Text>}
          <Group gap={2} wrap="nowrap">
            {may("merge") && one && (
              <>
                <Tooltip label={t("history.title")}><ActionIcon variant="subtle" color="gray" onClick={() => setHistory(true)} aria-label={t("history.title")}><IconHistory size={16} /></ActionIcon></Tooltip>
                <Tooltip label={t("patients.merge")}><ActionIcon variant="subtle" color="gray" onClick={() => setMerging(true)} aria-label={t("patients.merge")}><IconArrowMerge size={16} /></ActionIcon></Tooltip>
              </>
            )}
            <ActionIcon variant="subtle" color="gray" onClick={onClose} aria-label={t("common.close")}><IconX size={16} /></ActionIcon>
          </Group>
        </Group>
        <Text size="xs" c="dimmed" mt={6}>{t("study.studies", { count: studies.length })}</Text>
      </div>
      <div className={classes.scroll}>
        {found.isLoading && <Designed.Skeleton rows={4} />}
        {found.isError && <Designed.Failed error={found.error} retry={() => void found.refetch()} />}
        {studies.map((study) => <StudyLine key={study.uid} study={study} />)}
      </div>
      {merging && <Merge id={id} issuer={issuer} onClose={() => setMerging(false)} onDone={onClose} />}
      {history && whole.data && <History targets={[whole.data.patient_target]} onClose={() => setHistory(false)} />}
    </aside>
  );
}

function StudyLine({ study }: { study: StudyShown }) {
  const { t } = useTranslation();
  return (
    <div className={classes.study}>
      <div style={{ minWidth: 0 }}>
        <Anchor component={Link} to="/studies/$uid" params={{ uid: study.uid } as never} size="sm" truncate display="block">{study.description || t("study.noDescription")}</Anchor>
        <Text size="xs" c="dimmed">{[`${showDate(study.date)} ${showTime(study.time)}`, study.modalities.join(" "), t("study.seriesImages", { count: study.images }), study.accession].filter((part) => part.trim()).join(" · ")}</Text>
      </div>
      <Button size="compact-xs" variant="default" onClick={() => openViewer(study.uid)}>{t("study.open")}</Button>
    </div>
  );
}

function Merge({ id, issuer, onClose, onDone }: { id: string; issuer?: string; onClose: () => void; onDone: () => void }) {
  const { t } = useTranslation();
  const changed = useStudiesChanged();
  const [into, setInto] = useState("");
  const [intoIssuer, setIntoIssuer] = useState("");
  const [why, setWhy] = useState("");
  const other = useQuery({
    queryKey: ["patients", "merge", into, intoIssuer],
    queryFn: async () => {
      const page = await api.patients.list({ query: { q: into.trim(), limit: 50 } });
      return page.patients.filter((row) => row.patient.id === into.trim() && (!intoIssuer.trim() || row.patient.issuer === intoIssuer.trim()))[0] ?? null;
    },
    enabled: into.trim() !== "",
  });
  const merge = useMutation({
    mutationFn: () => api.corrections.merge({ body: { source: id, source_issuer: issuer || undefined, into: into.trim(), into_issuer: intoIssuer.trim() || other.data?.patient.issuer || undefined, why: why.trim() } }),
    onSuccess: () => {
      say(t("patients.merged"));
      onClose();
      onDone();
    },
    onSettled: changed,
  });
  const ready = Boolean(other.data) && why.trim() !== "" && into.trim() !== id;
  return (
    <Modal opened onClose={onClose} title={t("patients.merge")} closeButtonProps={{ "aria-label": t("common.close") }}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (ready) merge.mutate();
        }}
      >
        <Stack gap="sm">
          <Text size="sm">{t("patients.mergeNote")}</Text>
          <TextInput label={t("patients.mergeInto")} value={into} data-autofocus required onChange={(event) => setInto(event.currentTarget.value)} error={other.data === null ? t("patients.noMatch") : undefined} />
          <TextInput label={t("patients.mergeIssuer")} value={intoIssuer} onChange={(event) => setIntoIssuer(event.currentTarget.value)} />
          {other.data && <div className={classes.other}><Banner patient={other.data.patient} day={dicomDay(new Date())} /></div>}
          <Textarea label={t("common.reason")} description={t("common.reasonKept")} value={why} required autosize maxLength={500} onChange={(event) => setWhy(event.currentTarget.value)} />
          {merge.isError && <Text c="red" size="sm" role="alert">{merge.error.message}</Text>}
          <Group justify="end">
            <Button variant="default" onClick={onClose}>{t("common.cancel")}</Button>
            <Button type="submit" disabled={!ready} loading={merge.isPending}>{t("patients.mergeAction")}</Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
