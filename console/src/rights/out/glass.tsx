import "../words";
import { Button, Checkbox, Chip, Group, Modal, SegmentedControl, Select, Stack, Text, Textarea, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../../api/v1";
import { showMoment } from "../../kit/format";
import { say } from "../../kit/says";

const LEAST = 5;

/** In an emergency: see for some hours what is kept out of sight, with a reason that is kept. */
export function GlassDialog({ id, study, onClose, onOpen }: { id?: string; study?: string; onClose: () => void; onOpen: (found: { id?: string; accession?: string }) => void }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const [by, setBy] = useState("id");
  const [value, setValue] = useState(id ?? "");
  const [reason, setReason] = useState("");
  const [hours, setHours] = useState("4");
  const [sure, setSure] = useState(false);
  const given = study ? { study } : { [by === "id" ? "patient_id" : "accession"]: value.trim() };
  const open = useMutation({
    mutationFn: () => api.roles.breakGlass({ body: { ...given, reason: reason.trim(), hours: Number(hours) } }),
    onSuccess: (broken) => {
      say(t("glass.done", { until: showMoment(broken.expires_at) }));
      for (const key of ["studies", "study", "patients", "broken-glass"]) void queries.invalidateQueries({ queryKey: [key] });
      onOpen(by === "id" ? { id: value.trim() } : { accession: value.trim() });
      onClose();
    },
  });
  const ready = (study !== undefined || value.trim() !== "") && reason.trim().length >= LEAST && sure;
  return (
    <Modal opened onClose={onClose} title={t("glass.title")} closeButtonProps={{ "aria-label": t("common.close") }}>
      <form onSubmit={(event) => { event.preventDefault(); if (ready) open.mutate(); }}>
        <Stack gap="md">
          <Text size="sm">{t("glass.text")}</Text>
          {!study && <Group align="end" gap="xs" wrap="nowrap">
            <SegmentedControl size="sm" value={by} onChange={setBy} aria-label={t("glass.by")} data={[{ value: "id", label: t("glass.id") }, { value: "accession", label: t("glass.accession") }]} />
            <TextInput value={value} onChange={(event) => setValue(event.currentTarget.value)} aria-label={t(by === "id" ? "glass.id" : "glass.accession")} data-autofocus style={{ flex: 1 }} maxLength={200} />
          </Group>}
          <Chip.Group value={reason} onChange={(next) => setReason(String(next))}>
            <Group gap={6}>{(t("glass.usual", { returnObjects: true }) as string[]).map((each) => <Chip key={each} value={each} size="xs" radius="sm">{each}</Chip>)}</Group>
          </Chip.Group>
          <Textarea label={t("glass.reason")} value={reason} onChange={(event) => setReason(event.currentTarget.value)} maxLength={500} autosize minRows={2} required />
          <Select label={t("glass.hours")} value={hours} onChange={(next) => setHours(next ?? "4")} allowDeselect={false} data={["1", "2", "4", "8"].map((each) => ({ value: each, label: t("glass.hour", { count: Number(each) }) }))} w={160} />
          <Checkbox size="sm" label={t("glass.understood")} checked={sure} onChange={(event) => setSure(event.currentTarget.checked)} />
          {open.isError && <Text c="red" size="sm" role="alert">{open.error.message}</Text>}
          <Group justify="end">
            <Button variant="default" onClick={onClose}>{t("common.cancel")}</Button>
            <Button type="submit" color="red.8" disabled={!ready} loading={open.isPending}>{t("glass.do")}</Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
