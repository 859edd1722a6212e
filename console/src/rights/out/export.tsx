import "../words";
import { Anchor, Button, Checkbox, Group, Modal, Progress, SegmentedControl, Select, Stack, Text, Textarea } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, type ExportAnswer } from "../../api/v1";
import type { Say } from "../audit/telling";
import { showBytes } from "../../kit/format";
import { useMay } from "../../study/actions";
import { download, sum, type Thing } from "../../study/data";

const WAIT_MS = 1000;

/** Take studies, series or images out, as they are or de-identified for a project; the reason is kept. */
export function ExportDialog({ things, onClose }: { things: Thing[]; onClose: () => void }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const may = useMay();
  const [how, setHow] = useState("deidentified");
  const [project, setProject] = useState<string | null>(null);
  const [kind, setKind] = useState<"zip" | "device">("zip");
  const [to, setTo] = useState<string | null>(null);
  const [trust, setTrust] = useState(false);
  const [reason, setReason] = useState("");
  const projects = useQuery({ queryKey: ["projects"], queryFn: () => api.exportsApi.projects() });
  const devices = useQuery({ queryKey: ["devices"], queryFn: () => api.devices.show(), enabled: may("administer") });
  const named = projects.data?.projects ?? [];
  const chosen = project ?? (named.length === 1 ? named[0]!.name : null);
  const clean = how === "deidentified";
  const order = useMutation({
    mutationFn: () =>
      api.exportsApi.order({
        body: {
          reason: reason.trim(), kind, destination: kind === "device" ? (to ?? "") : "", project: clean ? chosen : null, trust_pixels: clean && trust,
          studies: things.filter((each) => !each.series).map((each) => each.study),
          series: things.filter((each) => each.series && !each.instance).map((each) => each.series!),
          instances: things.flatMap((each) => each.instance ?? []),
        },
      }),
    onSuccess: () => void queries.invalidateQueries({ queryKey: ["exports"] }),
  });
  const what = things.length === 1 ? things[0]!.label : t("study.studies", { count: things.length });
  const ready = reason.trim() !== "" && (!clean || chosen !== null) && (kind === "zip" || to !== null);
  return (
    <Modal opened onClose={onClose} title={t("export.title")} closeButtonProps={{ "aria-label": t("common.close") }}>
      {order.data ? <Running started={order.data} onClose={onClose} /> : (
        <form onSubmit={(event) => { event.preventDefault(); if (ready) order.mutate(); }}>
          <Stack gap="md">
            <Text size="sm">{t("export.what", { what, images: sum(things, "images"), size: showBytes(sum(things, "bytes")) })}</Text>
            <div>
              <SegmentedControl size="xs" value={how} onChange={setHow} aria-label={t("export.how")} data={["deidentified", "identified"].map((value) => ({ value, label: t(`export.${value}`) }))} />
              <Text size="xs" c="dimmed" mt={6}>{t(clean ? "export.deidentifiedText" : "export.identifiedText")}</Text>
            </div>
            {clean && projects.data && named.length === 0 && <Text size="sm">{t("export.noProject")} {may("administer") && <Anchor component={Link} to="/exports/projects" search={{ form: "new" } as never} size="sm">{t("export.makeProject")}</Anchor>}</Text>}
            {clean && named.length > 0 && <Select label={t("export.project")} description={t("export.projectHelp")} searchable value={chosen} onChange={setProject} data={named.map((each) => each.name)} required />}
            {clean && <Checkbox size="sm" label={t("export.trust")} description={t("export.trustHelp")} checked={trust} onChange={(event) => setTrust(event.currentTarget.checked)} />}
            <div>
              <Text size="sm" fw={500} mb={4} id="export-to">{t("export.to")}</Text>
              <SegmentedControl size="xs" value={kind} onChange={(next) => setKind(next as typeof kind)} aria-labelledby="export-to" data={[{ value: "zip", label: t("export.zip") }, ...(may("administer") ? [{ value: "device", label: t("export.device") }] : [])]} />
            </div>
            {kind === "device" && <Select label={t("export.device")} searchable value={to} onChange={setTo} data={(devices.data?.devices ?? []).filter((each) => each.enabled).map((each) => ({ value: each.ae_title, label: [each.ae_title, each.description].filter(Boolean).join(" · ") }))} nothingFoundMessage={t("common.none")} />}
            <Textarea label={t("common.reason")} description={t("common.reasonKept")} value={reason} onChange={(event) => setReason(event.currentTarget.value)} maxLength={1000} autosize minRows={2} required data-autofocus />
            {order.isError && <Text c="red" size="sm" role="alert">{order.error.message}</Text>}
            <Group justify="end">
              <Button variant="default" onClick={onClose}>{t("common.cancel")}</Button>
              <Button type="submit" disabled={!ready} loading={order.isPending}>{t("export.action")}</Button>
            </Group>
          </Stack>
        </form>
      )}
    </Modal>
  );
}

function Running({ started, onClose }: { started: ExportAnswer; onClose: () => void }) {
  const { t } = useTranslation();
  const watched = useQuery({ queryKey: ["export", started.id], queryFn: () => api.exportsApi.get({ pk: started.id }), initialData: started, refetchInterval: (query) => (query.state.data?.finished_at ? false : WAIT_MS) });
  const now = watched.data;
  const handled = now.written + now.withheld + now.failed;
  return (
    <Stack gap="md">
      <Text size="sm" role="status">{t(`export.states.${now.state}`, { defaultValue: now.state })} · {tellExport(t, now)}</Text>
      <Progress value={now.total > 0 ? (100 * handled) / now.total : now.finished_at ? 100 : 0} animated={!now.finished_at} color={now.failed > 0 ? "red" : undefined} aria-label={t("export.title")} />
      {now.trouble && <Text size="sm" c="red">{now.trouble}</Text>}
      <Group justify="space-between">
        <Anchor component={Link} to="/exports" search={{ export: String(now.id) } as never} size="sm">{t("export.one", { id: now.id })}</Anchor>
        <Group gap="xs">
          <Button variant="default" onClick={onClose}>{now.finished_at ? t("common.close") : t("export.watch")}</Button>
          {now.file && now.state === "done" && <Button leftSection={<IconDownload size={15} />} onClick={() => download(now.file!)} data-autofocus>{t("export.download")}</Button>}
        </Group>
      </Group>
    </Stack>
  );
}

/** How far an export is, and what is not in it. */
export function tellExport(t: Say, of: ExportAnswer): string {
  const said = [t("export.writtenOf", { written: of.written, total: of.total })];
  if (of.withheld) said.push(t("export.withheld", { count: of.withheld }));
  if (of.failed) said.push(t("export.failed", { count: of.failed }));
  return said.join(" · ");
}
