import { Button, Group, Modal, SegmentedControl, Select, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, type StepShown } from "../api/v1";
import { dicomDay, showDate, showSex } from "../kit/format";
import { Problem } from "../kit/http";
import { say } from "../kit/says";
import type { Language } from "../kit/words";

const MODALITIES = ["CT", "MR", "CR", "DX", "US", "XA", "NM", "PT", "MG", "RF"];
const PRIORITIES = ["ROUTINE", "HIGH", "STAT"] as const;

/** The next full quarter of an hour, as a field of date and time has it. */
function soon(): string {
  const at = new Date(Math.ceil(Date.now() / 900_000) * 900_000);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${showDate(dicomDay(at))}T${two(at.getHours())}:${two(at.getMinutes())}`;
}

const local = (value: string) => `${value}:00`;

/** What the server found wrong, the values by name. */
function Wrong({ error }: { error: Error | null }): ReactNode {
  if (!error) return null;
  const lines = error instanceof Problem ? error.errors.map((each) => `${each.pointer}: ${each.detail}`) : [];
  return <Text c="red" size="sm" role="alert">{[error.message, ...lines].join(" · ")}</Text>;
}

function When({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const { t } = useTranslation();
  return <TextInput type="datetime-local" label={t("order.when")} value={value} required onChange={(event) => onChange(event.currentTarget.value)} />;
}

/** An order made by hand: one procedure with one step, which the modality sees at once. */
export function OrderForm({ onClose }: { onClose: () => void }) {
  const { t, i18n } = useTranslation();
  const queries = useQueryClient();
  const [values, setValues] = useState({ id: "", name: "", birth: "", sex: "", description: "", modality: "", station: "", start: soon(), accession: "", referring: "", priority: "ROUTINE" as (typeof PRIORITIES)[number] });
  const set = (part: Partial<typeof values>) => setValues({ ...values, ...part });
  const place = useMutation({
    mutationFn: () =>
      api.orders.place({
        body: {
          patient: { id: values.id.trim(), name: values.name.trim(), birth_date: values.birth.replaceAll("-", ""), sex: values.sex },
          accession: values.accession.trim(),
          referring: values.referring.trim(),
          procedures: [
            {
              description: values.description.trim(),
              priority: values.priority,
              steps: [{ modality: values.modality, start: local(values.start), description: values.description.trim(), stations: values.station.trim() ? [values.station.trim()] : [] }],
            },
          ],
        },
      }),
    onSuccess: (order) => {
      say(t("order.placed", { accession: order.accession }));
      onClose();
    },
    onSettled: () => void queries.invalidateQueries({ queryKey: ["steps"] }),
  });
  const ready = values.id.trim() && values.name.trim() && values.modality && values.start && values.description.trim();
  const field = (key: "id" | "name" | "description" | "accession" | "station" | "referring", label: string, more: object = {}) => (
    <TextInput label={label} value={values[key]} onChange={(event) => set({ [key]: event.currentTarget.value })} {...more} />
  );
  return (
    <Modal opened onClose={onClose} size="lg" title={t("order.new")} closeButtonProps={{ "aria-label": t("common.close") }}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (ready) place.mutate();
        }}
      >
        <Stack gap="sm">
          <Group grow align="start">
            {field("id", t("study.id"), { required: true, "data-autofocus": true })}
            {field("name", t("order.name"), { required: true })}
          </Group>
          <Group grow align="start">
            <TextInput type="date" label={t("study.birth")} value={values.birth} onChange={(event) => set({ birth: event.currentTarget.value })} />
            <Select label={t("study.sex")} value={values.sex || null} clearable onChange={(sex) => set({ sex: sex ?? "" })} data={["M", "F", "O"].map((sex) => ({ value: sex, label: showSex(sex, i18n.language as Language) }))} />
          </Group>
          {field("description", t("order.procedure"), { required: true })}
          <Group grow align="start">
            <Select label={t("order.modality")} value={values.modality || null} required searchable onChange={(modality) => set({ modality: modality ?? "" })} data={MODALITIES} />
            <When value={values.start} onChange={(start) => set({ start })} />
          </Group>
          {field("station", t("order.where"))}
          <Group grow align="start">
            {field("accession", t("study.accession"), { placeholder: t("order.accessionHint") })}
            {field("referring", t("study.referring"))}
          </Group>
          <div>
            <Text size="sm" fw={500} mb={4} id="order-priority">{t("order.urgent")}</Text>
            <SegmentedControl size="xs" value={values.priority} onChange={(priority) => set({ priority: priority as typeof values.priority })} aria-labelledby="order-priority" data={PRIORITIES.map((value) => ({ value, label: t(`order.${value}`) }))} />
          </div>
          <Wrong error={place.error} />
          <Group justify="end">
            <Button variant="default" onClick={onClose}>{t("common.cancel")}</Button>
            <Button type="submit" disabled={!ready} loading={place.isPending}>{t("order.place")}</Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

/** Another time, another place. */
export function Reschedule({ step, seen, onClose, onDone }: { step: StepShown; seen?: string; onClose: () => void; onDone: () => void }) {
  const { t } = useTranslation();
  const [start, setStart] = useState(`${showDate(step.start_date)}T${(step.start_time || "0800").slice(0, 2)}:${(step.start_time || "0800").slice(2, 4)}`);
  const [stations, setStations] = useState(step.stations.join(", "));
  const move = useMutation({
    mutationFn: () => api.orders.change({ accession: step.accession, step: step.step_id, body: { start: local(start), stations: stations.split(/[,\s]+/).filter(Boolean) }, ifMatch: seen }),
    onSuccess: () => {
      say(t("order.changed"));
      onClose();
    },
    onSettled: onDone,
  });
  return (
    <Modal opened onClose={onClose} title={t("order.reschedule")} closeButtonProps={{ "aria-label": t("common.close") }}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          move.mutate();
        }}
      >
        <Stack gap="sm">
          <When value={start} onChange={setStart} />
          <TextInput label={t("order.where")} value={stations} onChange={(event) => setStations(event.currentTarget.value)} />
          <Wrong error={move.error} />
          <Group justify="end">
            <Button variant="default" onClick={onClose}>{t("common.cancel")}</Button>
            <Button type="submit" disabled={!start} loading={move.isPending}>{t("common.save")}</Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
