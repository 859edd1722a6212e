import { Button, Chip, Group, Text, TextInput, Tooltip } from "@mantine/core";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { type Dataset, findStudies, PAGE, person, text, texts, viewerLink } from "../api/dicomweb";
import { useLive } from "../api/live";
import { dicomDay, showAge, showDate, showName, showSex, showTime } from "../kit/format";
import { Designed } from "../kit/states";
import { type Column, Table } from "../kit/table";
import type { Language } from "../kit/words";
import type { StudySearch } from "../main";
import { StudyPanel } from "./panel";
import classes from "./studies.module.css";

const MODALITIES = ["CT", "MR", "CR", "DX", "US", "XA", "NM", "PT", "MG", "RF", "SR"];
const uidOf = (study: Dataset) => text(study, "0020000D");

/** The studies room: what is in the archive, newest first. */
export function Studies() {
  const { t, i18n } = useTranslation();
  const language = i18n.language as Language;
  const search: StudySearch = useSearch({ from: "/studies" });
  const navigate = useNavigate({ from: "/studies" });
  const { study: selected, ...filter } = search;
  const change = useCallback(
    (part: StudySearch) => void navigate({ search: (old) => ({ ...old, ...part }), replace: true }),
    [navigate],
  );

  const found = useInfiniteQuery({
    queryKey: ["studies", filter],
    queryFn: ({ pageParam }) => findStudies(filter, pageParam),
    initialPageParam: 0,
    getNextPageParam: (last, pages) => (last.rows.length === PAGE ? pages.length * PAGE : undefined),
    placeholderData: keepPreviousData,
    refetchInterval: 20_000,
  });
  useLive(["InstancesStored", "InstancesDeleted", "AttributesCorrected"], ["studies"]);
  const rows = found.data?.pages.flatMap((page) => page.rows) ?? [];
  const total = found.data?.pages[0]?.total;
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = found;
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);

  const open = (study: Dataset) => window.open(viewerLink(uidOf(study)), "_blank", "noopener");
  const filtered = Object.values(filter).some(Boolean);
  const box = (key: "name" | "id" | "accession" | "description", label: string) => (
    <FilterBox value={filter[key] ?? ""} label={label} onChange={(value) => change({ [key]: value || undefined })} />
  );
  const columns: Column<Dataset>[] = [
    { key: "name", title: t("study.patient"), width: "minmax(170px, 2.2fr)", cell: (row) => <Name row={row} />, filter: box("name", t("study.patient")), sort: "PatientName" },
    { key: "id", title: t("study.id"), width: "minmax(100px, 1.1fr)", cell: (row) => text(row, "00100020") || t("study.noId"), filter: box("id", t("study.id")), sort: "PatientID" },
    { key: "sex", title: t("study.sex"), width: "56px", cell: (row) => showSex(text(row, "00100040"), language) },
    { key: "age", title: t("study.age"), width: "64px", cell: (row) => showAge(text(row, "00100030"), text(row, "00080020"), language) },
    { key: "date", title: t("study.date"), width: "104px", cell: (row) => showDate(text(row, "00080020")), sort: "StudyDate" },
    { key: "time", title: t("study.time"), width: "60px", cell: (row) => showTime(text(row, "00080030")) },
    { key: "modality", title: t("study.modality"), width: "92px", cell: (row) => texts(row, "00080061").join(" ") },
    { key: "description", title: t("study.description"), width: "minmax(140px, 2fr)", cell: (row) => text(row, "00081030"), filter: box("description", t("study.description")) },
    { key: "accession", title: t("study.accession"), width: "minmax(100px, 1fr)", cell: (row) => text(row, "00080050"), filter: box("accession", t("study.accession")), sort: "AccessionNumber" },
    { key: "series", title: t("study.series"), width: "64px", numeric: true, cell: (row) => text(row, "00201206") },
    { key: "images", title: t("study.images"), width: "72px", numeric: true, cell: (row) => text(row, "00201208") },
  ];
  // Beside an open study there is room for what tells studies apart; the rest stands in the panel.
  const shown = selected ? columns.filter((column) => !["sex", "age", "time", "accession", "series"].includes(column.key)) : columns;
  const empty = filtered ? (
    <Designed.Empty
      title={t("study.noMatch")}
      hint={t("study.noMatchHint")}
      action={<Button size="compact-sm" variant="default" onClick={() => void navigate({ search: {} })}>{t("common.clear")}</Button>}
    />
  ) : (
    <Designed.Empty title={t("study.empty")} hint={t("study.emptyHint", { host: location.hostname })} />
  );
  return (
    <div className={classes.room}>
      <div className={classes.list}>
        <Group className={classes.tools} gap="sm" wrap="nowrap">
          <DatePresets from={filter.from} to={filter.to} onChange={change} />
          <Chip.Group value={filter.modality ?? ""} onChange={(value) => change({ modality: value === filter.modality ? undefined : String(value) })}>
            <Group gap={4} wrap="nowrap" className={classes.chips}>
              {MODALITIES.map((modality) => (
                <Chip key={modality} value={modality} size="xs" radius="sm" variant="light" onClick={() => modality === filter.modality && change({ modality: undefined })}>
                  {modality}
                </Chip>
              ))}
            </Group>
          </Chip.Group>
          <div style={{ flex: 1 }} />
          <Text size="xs" c="dimmed" style={{ whiteSpace: "nowrap" }} aria-live="polite">
            {total === undefined ? t("common.shown", { shown: rows.length }) : t("common.of", { shown: rows.length, total })}
          </Text>
          {filtered && (
            <Button size="compact-xs" variant="subtle" onClick={() => void navigate({ search: {} })}>
              {t("common.clear")}
            </Button>
          )}
        </Group>
        {found.isError ? (
          <Designed.Failed error={found.error} retry={() => void found.refetch()} />
        ) : (
          <Table
            label={t("room.studies")}
            columns={shown}
            rows={rows}
            rowKey={uidOf}
            selected={selected}
            onSelect={(row) => change({ study: uidOf(row) })}
            onOpen={open}
            onKey={(key, row) => key === "o" && open(row)}
            sort={filter.sort}
            onSort={(sort) => change({ sort })}
            onMore={more}
            loading={found.isLoading}
            empty={empty}
          />
        )}
      </div>
      {selected && <StudyPanel uid={selected} known={rows.find((row) => uidOf(row) === selected)} onClose={() => change({ study: undefined })} />}
    </div>
  );
}

function Name({ row }: { row: Dataset }) {
  const { t } = useTranslation();
  const { main, other } = showName(person(row, "00100010"));
  return (
    <Tooltip label={other ? `${main} · ${other}` : main} disabled={!main} openDelay={600}>
      <span>
        {main || <Text span c="dimmed" inherit>{t("study.noName")}</Text>}
        {other && <Text span c="dimmed" inherit ml={8}>{other}</Text>}
      </span>
    </Tooltip>
  );
}

function FilterBox({ value, label, onChange }: { value: string; label: string; onChange: (value: string) => void }) {
  const [typed, setTyped] = useState(value);
  useEffect(() => setTyped(value), [value]);
  useEffect(() => {
    if (typed === value) return;
    const soon = setTimeout(() => onChange(typed), 250);
    return () => clearTimeout(soon);
  }, [typed, value, onChange]);
  return <TextInput size="xs" variant="filled" value={typed} onChange={(event) => setTyped(event.currentTarget.value)} aria-label={label} classNames={{ input: classes.filter }} />;
}

function DatePresets({ from, to, onChange }: { from?: string; to?: string; onChange: (part: StudySearch) => void }) {
  const { t } = useTranslation();
  const day = (back: number) => dicomDay(new Date(Date.now() - back * 86_400_000));
  const presets = [
    { word: "study.anyDate", from: undefined, to: undefined },
    { word: "study.today", from: day(0), to: day(0) },
    { word: "study.yesterday", from: day(1), to: day(1) },
    { word: "study.week", from: day(6), to: day(0) },
    { word: "study.month", from: day(29), to: day(0) },
  ] as const;
  const date = (value: string | undefined) => showDate(value);
  const pick = (text: string) => text.replaceAll("-", "") || undefined;
  return (
    <Group gap={4} wrap="nowrap">
      <Button.Group>
        {presets.map((preset) => (
          <Button
            key={preset.word}
            size="compact-xs"
            variant={preset.from === from && preset.to === to ? "filled" : "default"}
            aria-pressed={preset.from === from && preset.to === to}
            onClick={() => onChange({ from: preset.from, to: preset.to })}
          >
            {t(preset.word)}
          </Button>
        ))}
      </Button.Group>
      <input className={classes.date} type="date" value={date(from)} aria-label={t("study.from")} onChange={(event) => onChange({ from: pick(event.target.value) })} />
      <Text size="xs" c="dimmed">{t("study.to")}</Text>
      <input className={classes.date} type="date" value={date(to)} aria-label={t("study.to")} onChange={(event) => onChange({ to: pick(event.target.value) })} />
    </Group>
  );
}
