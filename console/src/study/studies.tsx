import { ActionIcon, Anchor, Button, Chip, Group, Text, Tooltip } from "@mantine/core";
import { IconTrashX } from "@tabler/icons-react";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate, useRouterState } from "@tanstack/react-router";
import { useCallback, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import "./words";
import { useLive } from "../api/live";
import type { StudyShown } from "../api/v1";
import { useColumns } from "../kit/columns";
import { Days, FilterBox } from "../kit/filters";
import { showAge, showBytes, showDate, showMoment, showName, showSex, showTime } from "../kit/format";
import { Palette } from "../kit/palette";
import { Says } from "../kit/says";
import { Designed } from "../kit/states";
import { type Column, Table } from "../kit/table";
import type { Language } from "../kit/words";
import { GlassDialog } from "../rights/out/glass";
import { type Act, useActions, useMay } from "./actions";
import { findStudies, nameOf, openViewer, STUDY_FACTS, type StudyFilter, type StudySearch } from "./data";
import { Deleted } from "./delete";
import { Name } from "./name";
import { StudyPanel } from "./panel";
import classes from "./studies.module.css";
import { DropZone, UploadButton } from "./upload";

const MODALITIES = ["CT", "MR", "CR", "DX", "US", "XA", "NM", "PT", "MG", "RF", "SR"];
const USUAL = ["name", "id", "sex", "age", "date", "time", "modality", "description", "accession", "series", "images"];
// Beside an open study there is room for what tells studies apart; the rest stands in the panel.
const BESIDE = new Set(["name", "id", "date", "modality", "description"]);
const uidOf = (study: StudyShown) => study.uid;
const stampOf = (study: StudyShown) => JSON.stringify(study);
const toggled = (list: string | undefined, one: string) => {
  const kept = (list ?? "").split(",").filter(Boolean);
  return (kept.includes(one) ? kept.filter((each) => each !== one) : [...kept, one]).join(",") || undefined;
};

/** The studies room: what is in the archive, newest first. */
export function Studies() {
  const { t } = useTranslation();
  const search = useRouterState({ select: (state) => state.location.search as StudySearch });
  const navigate = useNavigate();
  const may = useMay();
  const { study: selected, ...filter } = search;
  const change = useCallback(
    (part: StudySearch) => void navigate({ to: "/studies", search: ((old: StudySearch) => ({ ...old, ...part })) as never, replace: true }),
    [navigate],
  );
  const clear = () => void navigate({ to: "/studies", search: {} as never });
  const [ticked, setTicked] = useState<ReadonlySet<string>>(new Set());
  const [menu, setMenu] = useState(false);
  const [deleted, setDeleted] = useState(false);
  const [glass, setGlass] = useState(false);

  const found = useInfiniteQuery({
    queryKey: ["studies", filter],
    queryFn: ({ pageParam }) => findStudies(filter, pageParam),
    initialPageParam: "",
    getNextPageParam: (last) => last.next ?? undefined,
    placeholderData: keepPreviousData,
    refetchInterval: 60_000,
  });
  useLive(STUDY_FACTS, ["studies"]);
  const rows = useMemo(() => found.data?.pages.flatMap((page) => page.studies) ?? [], [found.data]);
  const first = found.data?.pages[0];
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = found;
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);

  const many = rows.filter((row) => ticked.has(row.uid));
  const known = rows.find((row) => row.uid === selected);
  const { ofStudies, dialog } = useActions(() => {
    setTicked(new Set());
    change({ study: undefined });
  });
  const acts = ofStudies(many.length > 0 ? many : known ? [known] : []);
  const whole = (row: StudyShown) => void navigate({ to: "/studies/$uid", params: { uid: row.uid } as never });
  const press = (key: string) => (key === "." ? setMenu(true) : acts.find((act) => act.key === key)?.run());
  const columns = useStudyColumns(filter, change);
  const { shown, menu: columnMenu } = useColumns("studies", columns, USUAL);
  const filtered = Object.entries(filter).some(([key, value]) => key !== "sort" && Boolean(value));
  return (
    <DropZone enabled={may("store")} onStudies={(uids) => (uids.length === 1 ? void navigate({ to: "/studies", search: { study: uids[0] } as never }) : clear())}>
      <div className={classes.room}>
        <div className={classes.list}>
          <Group className={classes.tools} gap="xs">
            <Days from={filter.from} to={filter.to} onChange={(span) => change({ from: span.from, to: span.to })} />
            <Group gap={4} className={classes.chips} role="group" aria-label={t("study.modality")}>
              {MODALITIES.map((modality) => (
                <Chip key={modality} size="xs" radius="sm" variant="light" checked={(filter.modality ?? "").split(",").includes(modality)} onChange={() => change({ modality: toggled(filter.modality, modality) })}>
                  {modality}
                </Chip>
              ))}
            </Group>
            <Group gap="xs" wrap="nowrap" className={classes.end}>
            {filtered && <Button size="compact-xs" variant="subtle" onClick={clear}>{t("common.clear")}</Button>}
            <Text size="xs" c="dimmed" className={classes.total} aria-live="polite">
              {first && (first.more ? t("study.moreThan", { total: first.total }) : t("study.studies", { count: first.total ?? rows.length }))}
            </Text>
            {may("store") && <UploadButton />}
            {may("delete") && (
              <Tooltip label={t("delete.recent")}>
                <ActionIcon variant="subtle" color="gray" size="sm" onClick={() => setDeleted(true)} aria-label={t("delete.recent")}><IconTrashX size={16} /></ActionIcon>
              </Tooltip>
            )}
            {columnMenu}
            </Group>
          </Group>
          {many.length > 0 && <Bulk count={many.length} acts={acts} onNone={() => setTicked(new Set())} />}
          {found.isError && rows.length === 0 ? (
            <Designed.Failed error={found.error} retry={() => void found.refetch()} />
          ) : (
            <Table
              label={t("room.studies")}
              columns={selected ? shown.filter((column) => BESIDE.has(column.key)) : shown}
              rows={rows}
              rowKey={uidOf}
              stamp={stampOf}
              of={JSON.stringify(filter)}
              selected={selected}
              onSelect={(row) => change({ study: row.uid })}
              onOpen={whole}
              onDouble={(row) => openViewer(row.uid)}
              onKey={press}
              ticked={ticked}
              onTick={setTicked}
              sort={filter.sort}
              onSort={(sort) => change({ sort })}
              onMore={more}
              loading={found.isLoading}
              empty={<Nothing filtered={filtered} onClear={clear} onGlass={may("break-glass") && !may("protected") ? () => setGlass(true) : undefined} />}
            />
          )}
        </div>
        {selected && <StudyPanel key={selected} uid={selected} known={known} onClose={() => change({ study: undefined })} />}
        <Palette opened={menu} onClose={() => setMenu(false)} commands={acts.map((act) => ({ label: act.label, key: act.key, run: act.run }))} />
        {deleted && <Deleted onClose={() => setDeleted(false)} />}
        {glass && <GlassDialog id={filter.id ?? filter.q} onClose={() => setGlass(false)} onOpen={(by) => void navigate({ to: "/studies", search: by as never })} />}
        {dialog}
        <Says />
      </div>
    </DropZone>
  );
}

function Bulk({ count, acts, onNone }: { count: number; acts: Act[]; onNone: () => void }) {
  const { t } = useTranslation();
  return (
    <Group className={classes.bulk} gap={6} role="toolbar" aria-label={t("common.actions")}>
      <Text size="sm" fw={600}>{t("common.ticked", { count })}</Text>
      {acts.map((act) => (
        <Button key={act.name} size="compact-xs" variant="default" c={act.danger ? "red" : undefined} leftSection={<act.icon size={14} />} onClick={act.run}>{act.label}</Button>
      ))}
      <Button size="compact-xs" variant="subtle" onClick={onNone}>{t("common.cancel")}</Button>
    </Group>
  );
}

function Nothing({ filtered, onClear, onGlass }: { filtered: boolean; onClear: () => void; onGlass?: () => void }) {
  const { t } = useTranslation();
  const glass = onGlass && <Text size="sm" c="dimmed">{t("glass.lead")} <Anchor component="button" size="sm" onClick={onGlass}>{t("glass.action")}</Anchor></Text>;
  if (!filtered) return <Designed.Empty title={t("study.empty")} hint={t("study.emptyHint", { host: location.hostname })} action={glass} />;
  return (
    <Designed.Empty title={t("study.noMatch")} hint={t("study.noMatchHint")} action={<><Button size="compact-sm" variant="default" onClick={onClear}>{t("common.clear")}</Button>{glass}</>} />
  );
}

function useStudyColumns(filter: StudyFilter, change: (part: StudySearch) => void): Column<StudyShown>[] {
  const { t, i18n } = useTranslation();
  const language = i18n.language as Language;
  const box = (key: "name" | "id" | "accession" | "description", label: string) => (
    <FilterBox value={filter[key] ?? ""} label={label} onChange={(value) => change({ [key]: value || undefined })} />
  );
  return [
    { key: "name", title: t("study.patient"), width: "minmax(170px, 2.2fr)", cell: (row) => <Name name={row.patient.name} />, filter: box("name", t("study.patient")), sort: "name" },
    { key: "id", title: t("study.id"), width: "minmax(100px, 1.1fr)", cell: (row) => row.patient.id || t("study.noId"), filter: box("id", t("study.id")), sort: "id" },
    { key: "issuer", title: t("study.issuer"), width: "minmax(90px, 0.8fr)", cell: (row) => row.patient.issuer },
    { key: "sex", title: t("study.sex"), width: "56px", cell: (row) => showSex(row.patient.sex, language) },
    { key: "age", title: t("study.age"), width: "64px", cell: (row) => showAge(row.patient.birth_date, row.date, language) },
    { key: "birth", title: t("study.birth"), width: "104px", cell: (row) => showDate(row.patient.birth_date) },
    { key: "date", title: t("study.date"), width: "104px", cell: (row) => showDate(row.date), sort: "date" },
    { key: "time", title: t("study.time"), width: "60px", cell: (row) => showTime(row.time) },
    { key: "modality", title: t("study.modality"), width: "92px", cell: (row) => row.modalities.join(" ") },
    { key: "description", title: t("study.description"), width: "minmax(140px, 2fr)", cell: (row) => row.description, filter: box("description", t("study.description")), sort: "description" },
    { key: "accession", title: t("study.accession"), width: "minmax(130px, 1fr)", cell: (row) => row.accession, filter: box("accession", t("study.accession")), sort: "accession" },
    { key: "referring", title: t("study.referring"), width: "minmax(130px, 1fr)", cell: (row) => showName(nameOf(row.referring)).main },
    { key: "series", title: t("study.series"), width: "64px", numeric: true, cell: (row) => row.series },
    { key: "images", title: t("study.images"), width: "72px", numeric: true, cell: (row) => row.images },
    { key: "size", title: t("study.size"), width: "84px", numeric: true, cell: (row) => showBytes(row.size_bytes) },
    { key: "received", title: t("study.received"), width: "150px", cell: (row) => (row.received_at ? showMoment(row.received_at) : "") },
  ];
}
