import "./words";
import { Button, Group, Modal, Stack, Text, Textarea, TextInput } from "@mantine/core";
import { IconDownload, IconPlus } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useLive } from "../api/live";
import { api, type Decided, type Held } from "../api/v1";
import { showBytes } from "../kit/format";
import { Designed } from "../kit/states";
import { type Column, Table } from "../kit/table";
import { Ask, Facts, Note, Panel, Room, say, State, useAct, useAddress, When, Wrong } from "./parts";

const FILED = new Set(["new", "already"]);

/** The quarantine room: what could not be filed, why, and what to do with it. */
export function Quarantine() {
  const { t } = useTranslation();
  const [at, go] = useAddress();
  const held = useQuery({ queryKey: ["quarantine"], queryFn: () => api.quarantine.show(), refetchInterval: 20_000 });
  useLive(["ObjectQuarantined"], ["quarantine"]);
  const rows = held.data?.items ?? [];
  const open = rows.find((row) => String(row.id) === at.item);
  const columns: Column<Held>[] = [
    { key: "at", title: t("quarantine.at"), width: "172px", cell: (row) => <When at={row.at} /> },
    { key: "reason", title: t("quarantine.reason"), width: "minmax(170px, 1fr)", cell: (row) => <State tone="warn">{t(`quarantine.why.${row.reason}`, { defaultValue: row.reason })}</State> },
    { key: "source", title: t("quarantine.source"), width: "minmax(120px, 1fr)", cell: (row) => row.source },
    { key: "detail", title: t("quarantine.detail"), width: "minmax(200px, 3fr)", cell: (row) => <span title={row.detail}>{row.detail}</span> },
    { key: "door", title: t("quarantine.door"), width: "110px", cell: (row) => t(`quarantine.doors.${row.door}`, { defaultValue: row.door }) },
    { key: "size", title: t("quarantine.size"), width: "90px", numeric: true, cell: (row) => showBytes(row.size_bytes) },
  ];
  return (
    <Room tools={<><Text size="xs" c="dimmed" style={{ flex: 1 }}>{t("quarantine.about")}</Text><Text size="xs" c="dimmed">{t("common.shown", { shown: rows.length })}</Text></>}
      panel={open && <HeldPanel key={open.id} of={open} onClose={() => go({ item: undefined })} />}>
      {held.isError ? <Designed.Failed error={held.error} retry={() => void held.refetch()} /> : (
        <Table label={t("room.quarantine")} columns={open ? columns.slice(0, 3) : columns} rows={rows} rowKey={(row) => String(row.id)} selected={at.item} onSelect={(row) => go({ item: String(row.id) })} loading={held.isLoading}
          empty={<Designed.Empty title={t("quarantine.empty")} hint={t("quarantine.emptyHint")} />} />
      )}
    </Room>
  );
}

function HeldPanel({ of, onClose }: { of: Held; onClose: () => void }) {
  const { t } = useTranslation();
  const [doing, setDoing] = useState<"release" | "discard">();
  const refresh = [["quarantine"], ["studies"]] as const;
  const settled = (outcome: Decided) => {
    const filed = FILED.has(outcome.result);
    say(t(`quarantine.result.${outcome.result}`, { defaultValue: outcome.result }) + (outcome.comment ? ` ${outcome.comment}` : ""), !filed);
    if (filed) onClose();
  };
  const requeue = useAct(() => api.quarantine.requeue({ pk: of.id }), { refresh, loud: true, onDone: settled });
  const name = t("quarantine.one", { id: of.id });
  return (
    <Panel title={name} label={name} sub={<When at={of.at} ago />} onClose={onClose}
      actions={<>
        <Button size="compact-sm" loading={requeue.isPending} onClick={() => requeue.mutate(undefined)}>{t("quarantine.requeue")}</Button>
        <Button size="compact-sm" variant="default" onClick={() => setDoing("release")}>{t("quarantine.release")}</Button>
        <Button size="compact-sm" variant="default" component="a" href={`/api/v1/quarantine/${of.id}/file`} download leftSection={<IconDownload size={15} />}>{t("quarantine.download")}</Button>
        <Button size="compact-sm" variant="default" onClick={() => setDoing("discard")}>{t("quarantine.discard")}</Button>
      </>}>
      <Note tone="warn" title={t(`quarantine.why.${of.reason}`, { defaultValue: of.reason })}>
        {t(`quarantine.todo.${of.reason}`, { defaultValue: "" })}
        <Text size="xs" c="dimmed" mt={4}>{of.detail}</Text>
      </Note>
      <Facts of={[
        [t("quarantine.source"), of.source],
        [t("quarantine.door"), t(`quarantine.doors.${of.door}`, { defaultValue: of.door })],
        [t("quarantine.size"), showBytes(of.size_bytes)],
        [t("quarantine.uid"), of.sop_uid],
      ]} />
      <Text size="xs" c="dimmed">{t("quarantine.options")}</Text>
      {doing === "release" && <Release of={of} onClose={() => setDoing(undefined)} onDone={settled} />}
      {doing === "discard" && <Ask danger reason title={t("quarantine.discardTitle", { id: of.id })} text={t("quarantine.discardText", { size: showBytes(of.size_bytes), source: of.source })} verb={t("quarantine.discard")} onClose={() => setDoing(undefined)}
        act={(why) => api.quarantine.discard({ pk: of.id, body: { why } })} done={t("quarantine.discarded")} refresh={refresh} onDone={onClose} />}
    </Panel>
  );
}

/** Attributes to set right, then filing. */
function Release({ of, onClose, onDone }: { of: Held; onClose: () => void; onDone: (outcome: Decided) => void }) {
  const { t } = useTranslation();
  const [rows, setRows] = useState([{ name: of.reason === "conflict" ? "SOPInstanceUID" : "PatientID", value: "" }]);
  const [why, setWhy] = useState("");
  const file = useAct(
    () => api.quarantine.release({ pk: of.id, body: { why: why.trim(), attributes: Object.fromEntries(rows.filter((row) => row.name.trim()).map((row) => [row.name.trim(), row.value.trim() === "" ? null : row.value.trim()])) } }),
    { refresh: [["quarantine"], ["studies"]], onDone: (outcome) => { onDone(outcome); onClose(); } },
  );
  const change = (index: number, part: Partial<{ name: string; value: string }>) => setRows((old) => old.map((row, at) => (at === index ? { ...row, ...part } : row)));
  const ready = why.trim() !== "" && rows.some((row) => row.name.trim() !== "");
  return (
    <Modal opened closeButtonProps={{ "aria-label": t("common.close") }} onClose={onClose} title={t("quarantine.releaseTitle")} size="lg">
      <form onSubmit={(event) => { event.preventDefault(); if (ready) file.mutate(undefined); }}>
        <Stack gap="md">
      <Text size="sm">{t("quarantine.releaseText")}</Text>
      <Stack gap={6}>
        {rows.map((row, index) => (
          <div key={index} style={{ display: "grid", gridTemplateColumns: "1fr 1fr", gap: 8 }}>
            <TextInput size="xs" aria-label={t("quarantine.attribute")} placeholder={t("quarantine.attribute")} value={row.name} onChange={(event) => change(index, { name: event.currentTarget.value })} list="filmroom-attributes" spellCheck={false} />
            <TextInput size="xs" aria-label={t("quarantine.value")} placeholder={t("quarantine.valueHint")} value={row.value} onChange={(event) => change(index, { value: event.currentTarget.value })} />
          </div>
        ))}
        <datalist id="filmroom-attributes">{["PatientID", "PatientName", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "StudyDate", "SpecificCharacterSet"].map((each) => <option key={each} value={each} />)}</datalist>
        <Button size="compact-xs" variant="subtle" w="fit-content" leftSection={<IconPlus size={13} />} onClick={() => setRows((old) => [...old, { name: "", value: "" }])}>{t("quarantine.another")}</Button>
      </Stack>
      <Textarea label={t("admin.why")} description={t("admin.whyHint")} value={why} onChange={(event) => setWhy(event.currentTarget.value)} maxLength={500} autosize minRows={2} required />
      <Wrong error={file.error} />
      <Group justify="end">
        <Button variant="default" onClick={onClose}>{t("common.cancel")}</Button>
        <Button type="submit" disabled={!ready} loading={file.isPending}>{t("quarantine.file")}</Button>
      </Group>
        </Stack>
      </form>
    </Modal>
  );
}
