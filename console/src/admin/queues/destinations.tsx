import "../words";
import { Button, Group, Modal, NumberInput, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, type DestinationAnswer } from "../../api/v1";
import { showBytes } from "../../kit/format";
import { Conflict, ConflictNote, Editing, useSave } from "../../kit/editing";
import { Designed } from "../../kit/states";
import { type Column, Table } from "../../kit/table";
import { Room, say, State, useAct, useAddress, When, Wrong } from "../parts";
import { useTabs } from "./deliveries";

/** Where things are sent: pause, resume, how fast. */
export function Destinations() {
  const { t } = useTranslation();
  const tabs = useTabs();
  const [at, go] = useAddress();
  const found = useQuery({ queryKey: ["destinations"], queryFn: () => api.queues.destinations(), refetchInterval: 3000 });
  const [tuned, setTuned] = useState<DestinationAnswer>();
  const refresh = [["destinations"], ["deliveries"]] as const;
  const pause = useAct((title: string) => api.queues.pause({ title }), { done: t("queues.paused"), refresh, loud: true });
  const resume = useAct((title: string) => api.queues.resume({ title }), { done: t("queues.resumedAny"), refresh, loud: true });
  const columns: Column<DestinationAnswer>[] = [
    { key: "title", title: t("devices.title"), width: "minmax(164px, 1fr)", cell: (row) => <Link to={"/devices" as never} search={{ device: row.ae_title } as never} style={{ color: "var(--accent)", fontWeight: 600 }}>{row.ae_title}</Link> },
    { key: "state", title: t("devices.state"), width: "minmax(150px, 1fr)", cell: (row) => <State tone={row.state === "away" ? "bad" : row.state === "paused" ? "warn" : "good"}>{t(`queues.destination.${row.state}`)}</State> },
    { key: "waiting", title: t("queues.state.waiting"), width: "90px", numeric: true, cell: (row) => row.waiting },
    { key: "trouble", title: t("queues.trouble"), width: "minmax(180px, 2.4fr)", cell: (row) => <span title={row.trouble}>{row.trouble}</span> },
    { key: "next", title: t("queues.nextTry"), width: "172px", cell: (row) => <When at={row.away_until} /> },
    { key: "speed", title: t("queues.speed"), width: "minmax(130px, 1fr)", cell: (row) => `${t("queues.lanes", { count: row.associations })}${row.bytes_per_s ? ` · ${showBytes(row.bytes_per_s)}/s` : ""}` },
    { key: "act", title: t("common.actions"), width: "176px", cell: (row) => (
      <Group gap={4} wrap="nowrap">
        {row.state === "in use"
          ? <Button size="compact-xs" variant="default" onClick={() => pause.mutate(row.ae_title)}>{t("queues.pause")}</Button>
          : <Button size="compact-xs" variant="light" onClick={() => resume.mutate(row.ae_title)}>{t(row.state === "away" ? "queues.tryNow" : "queues.resume")}</Button>}
        <Button size="compact-xs" variant="default" onClick={() => setTuned(row)}>{t("queues.tune")}</Button>
      </Group>
    ) },
  ];
  return (
    <Room tabs={tabs} tools={<Text size="xs" c="dimmed">{t("queues.destinationsAbout")}</Text>}>
      {found.isError ? <Designed.Failed error={found.error} retry={() => void found.refetch()} /> : (
        <Table label={t("queues.tab.destinations")} columns={columns} rows={found.data?.destinations ?? []} rowKey={(row) => row.ae_title} selected={at.to} onSelect={(row) => go({ to: row.ae_title })} loading={found.isLoading}
          empty={<Designed.Empty title={t("queues.noDestination")} hint={t("queues.emptyHint")} />} />
      )}
      {tuned && <Editing of={["destination", tuned.ae_title]} read={() => api.queues.destination({ title: tuned.ae_title })}>{(base, again) => <Tune of={base} onClose={() => setTuned(undefined)} onAgain={again} />}</Editing>}
    </Room>
  );
}

function Tune({ of, onClose, onAgain }: { of: DestinationAnswer; onClose: () => void; onAgain: () => void }) {
  const { t } = useTranslation();
  const [associations, setAssociations] = useState<number | string>(of.associations);
  const [rate, setRate] = useState<number | string>(of.bytes_per_s === null ? "" : of.bytes_per_s / 1_000_000);
  const save = useSave({
    base: of,
    read: () => api.queues.destination({ title: of.ae_title }),
    write: (ifMatch) => api.queues.tune({ title: of.ae_title, body: { associations: Number(associations), bytes_per_s: rate === "" ? null : Math.round(Number(rate) * 1_000_000) }, ifMatch }),
    values: (state) => ({ [t("queues.associations")]: state.associations, [t("queues.rate")]: state.bytes_per_s && state.bytes_per_s / 1_000_000 }),
    refresh: [["destinations"]],
    onDone: () => { say(t("devices.saved", { title: of.ae_title })); onClose(); },
  });
  return (
    <Modal opened closeButtonProps={{ "aria-label": t("common.close") }} onClose={onClose} title={t("queues.tuneTitle", { title: of.ae_title })}>
      <form onSubmit={(event) => { event.preventDefault(); save.mutate(undefined); }}>
        <Stack gap="md">
          <NumberInput label={t("queues.associations")} description={t("queues.associationsHelp")} value={associations} onChange={setAssociations} min={1} max={32} allowDecimal={false} data-autofocus />
          <NumberInput label={t("queues.rate")} description={t("queues.rateHelp")} value={rate} onChange={setRate} min={0.001} />
          <ConflictNote error={save.error} onReload={onAgain} onOver={(tag) => save.mutate(tag)} />
          <Wrong error={save.error instanceof Conflict ? null : save.error} />
          <Group justify="end">
            <Button variant="default" onClick={onClose}>{t("common.cancel")}</Button>
            <Button type="submit" loading={save.isPending}>{t("common.save")}</Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
