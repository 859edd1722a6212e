import "../words";
import { Button, Switch, Text, TextInput } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useCallback } from "react";
import { useTranslation } from "react-i18next";
import { api, type RecordingAnswer } from "../../api/v1";
import { showBytes } from "../../kit/format";
import { Designed } from "../../kit/states";
import { type Column, Table } from "../../kit/table";
import classes from "../admin.module.css";
import { Room, State, useAddress, When } from "../parts";
import { Recording } from "./recording";
import { badly } from "./standing";
import { useTabs } from "./tabs";

const PAGE = 200;

/** The flight recorder: every association of the last days, and what was said on it. */
export function Recorder() {
  const { t } = useTranslation();
  const tabs = useTabs();
  const [at, go] = useAddress();
  const filter = { ae_title: at.ae || undefined, failed: at.failed === "1" || undefined };
  const found = useInfiniteQuery({
    queryKey: ["recordings", filter],
    queryFn: ({ pageParam }) => api.recordingsResource.show({ query: { ...filter, before: pageParam || undefined, limit: PAGE } }),
    initialPageParam: 0,
    getNextPageParam: (last) => (last.next ? last.recordings.at(-1)?.id : undefined),
    refetchInterval: 10_000,
  });
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = found;
  const more = useCallback(() => { if (hasNextPage && !isFetchingNextPage) void fetchNextPage(); }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const rows = found.data?.pages.flatMap((page) => page.recordings) ?? [];
  const columns: Column<RecordingAnswer>[] = [
    { key: "at", title: t("recorder.at"), width: "172px", cell: (row) => <When at={row.opened_at} /> },
    { key: "outcome", title: t("recorder.outcomeTitle"), width: "minmax(140px, 1.2fr)", cell: (row) => <Outcome of={row} /> },
    { key: "calling", title: t("callers.calling"), width: "minmax(110px, 1fr)", cell: (row) => row.calling_ae },
    { key: "called", title: t("callers.calledAs"), width: "minmax(110px, 1fr)", cell: (row) => row.called_ae },
    { key: "peer", title: t("devices.address"), width: "minmax(110px, 1fr)", cell: (row) => row.peer },
    { key: "reason", title: t("recorder.reason"), width: "minmax(140px, 2fr)", cell: (row) => <span title={row.reason}>{row.reason}</span> },
    { key: "messages", title: t("recorder.messages"), width: "90px", numeric: true, cell: (row) => row.messages },
    { key: "bytes", title: t("associations.bytes"), width: "90px", numeric: true, cell: (row) => showBytes(row.bytes_in + row.bytes_out) },
    { key: "seconds", title: t("recorder.seconds"), width: "90px", numeric: true, cell: (row) => `${row.seconds.toFixed(row.seconds < 10 ? 2 : 0)} s` },
  ];
  const filtered = Boolean(filter.ae_title || filter.failed);
  const clear = <Button size="compact-sm" variant="default" onClick={() => go({ ae: undefined, failed: undefined })}>{t("common.clear")}</Button>;
  return (
    <Room tabs={tabs}
      tools={<>
        <TextInput size="xs" w={200} value={at.ae ?? ""} onChange={(event) => go({ ae: event.currentTarget.value || undefined })} placeholder={t("recorder.ae")} aria-label={t("recorder.ae")} />
        <Switch size="xs" label={t("recorder.onlyBad")} checked={at.failed === "1"} onChange={(event) => go({ failed: event.currentTarget.checked ? "1" : undefined })} />
        <div className={classes.spacer} />
        <Text size="xs" c="dimmed">{t("common.shown", { shown: rows.length })}</Text>
      </>}
      panel={at.recording && <Recording key={at.recording} pk={Number(at.recording)} onClose={() => go({ recording: undefined })} />}>
      {found.isError ? <Designed.Failed error={found.error} retry={() => void found.refetch()} /> : (
        <Table label={t("devices.tab.recorder")} columns={at.recording ? columns.slice(0, 3) : columns} rows={rows} rowKey={(row) => String(row.id)} selected={at.recording} loading={found.isLoading} onMore={more}
          onSelect={(row) => go({ recording: String(row.id) })}
          empty={filtered ? <Designed.Empty title={t("recorder.noMatch")} hint={t("recorder.noMatchHint")} action={clear} /> : <Designed.Empty title={t("recorder.empty")} hint={t("recorder.emptyHint")} />} />
      )}
    </Room>
  );
}

export function Outcome({ of }: { of: RecordingAnswer }) {
  const { t } = useTranslation();
  const word = t(`recorder.outcome.${of.outcome}`, { defaultValue: of.outcome });
  if (of.outcome === "standing") return <State tone="busy">{word}</State>;
  if (of.outcome !== "released") return <State tone="bad">{word}</State>;
  return badly(of) ? <State tone="warn">{t("recorder.failures", { count: of.failures })}</State> : <State tone="good">{word}</State>;
}
