import { ActionIcon, Badge, Button, Group, Modal, NumberInput, Stack, Text, TextInput } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, type DeviceAnswer as Device } from "../api/v1";
import { Designed } from "../kit/states";
import { type Column, Table } from "../kit/table";

const AE_TITLE = /^(?=.*\S)[ -[\]-~]{1,16}$/;

/** The devices room: who may call, and where images can be sent. */
export function Devices() {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const devices = useQuery({ queryKey: ["devices"], queryFn: () => api.devices.show(), refetchInterval: 20_000 });
  const [edited, setEdited] = useState<Partial<Device>>();
  const [leaving, setLeaving] = useState<Device>();
  const done = () => void queries.invalidateQueries({ queryKey: ["devices"] });
  const remove = useMutation({
    mutationFn: (title: string) => api.devices.remove({ title }),
    onSuccess: () => {
      setLeaving(undefined);
      done();
    },
  });
  const columns: Column<Device>[] = [
    { key: "title", title: t("device.title"), width: "minmax(140px, 1fr)", cell: (row) => row.ae_title },
    { key: "host", title: t("device.host"), width: "minmax(140px, 1fr)", cell: (row) => row.host },
    { key: "port", title: t("device.port"), width: "80px", numeric: true, cell: (row) => row.port },
    { key: "description", title: t("device.description"), width: "minmax(160px, 2fr)", cell: (row) => row.description },
    {
      key: "state", title: t("device.state"), width: "110px",
      cell: (row) => <Badge size="sm" variant="light" color={row.enabled ? "film" : "gray"}>{t(row.enabled ? "device.enabled" : "device.disabled")}</Badge>,
    },
    {
      key: "actions", title: "", width: "48px",
      cell: (row) => (
        <ActionIcon variant="subtle" color="gray" size="sm" aria-label={`${t("common.remove")} ${row.ae_title}`} onClick={() => setLeaving(row)}>
          <IconTrash size={15} />
        </ActionIcon>
      ),
    },
  ];
  if (devices.isError) return <Designed.Failed error={devices.error} retry={() => void devices.refetch()} />;
  const add = (
    <Button size="compact-sm" leftSection={<IconPlus size={15} />} onClick={() => setEdited({})}>{t("device.add")}</Button>
  );
  return (
    <>
      <Group p="sm" style={{ borderBottom: "1px solid var(--line)" }}>{add}</Group>
      <Table
        label={t("room.devices")}
        columns={columns}
        rows={devices.data?.devices ?? []}
        rowKey={(row) => row.ae_title}
        onOpen={setEdited}
        loading={devices.isLoading}
        empty={<Designed.Empty title={t("device.empty")} hint={t("device.emptyHint")} action={add} />}
      />
      {edited && <DeviceForm device={edited} onClose={() => setEdited(undefined)} onDone={done} />}
      <Modal opened={leaving !== undefined} onClose={() => setLeaving(undefined)} title={leaving?.ae_title}>
        <Text size="sm">{t("device.removeAsk", { title: leaving?.ae_title })}</Text>
        {remove.isError && <Text c="red" size="sm" mt="sm">{remove.error.message}</Text>}
        <Group justify="end" mt="md">
          <Button variant="default" onClick={() => setLeaving(undefined)}>{t("common.cancel")}</Button>
          <Button color="red" loading={remove.isPending} onClick={() => leaving && remove.mutate(leaving.ae_title)}>{t("common.remove")}</Button>
        </Group>
      </Modal>
    </>
  );
}

function DeviceForm({ device, onClose, onDone }: { device: Partial<Device>; onClose: () => void; onDone: () => void }) {
  const { t } = useTranslation();
  const [title, setTitle] = useState(device.ae_title ?? "");
  const [host, setHost] = useState(device.host ?? "");
  const [port, setPort] = useState<number | string>(device.port ?? 104);
  const [description, setDescription] = useState(device.description ?? "");
  const known = device.ae_title !== undefined;
  const valid = AE_TITLE.test(title) && host.trim() !== "" && Number(port) > 0;
  const save = useMutation({
    mutationFn: () => api.devices.put({ title: title.trim(), body: { host: host.trim(), port: Number(port), description } }),
    onSuccess: () => {
      onDone();
      onClose();
    },
  });
  return (
    <Modal opened onClose={onClose} title={t(known ? "device.edit" : "device.add")}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (valid) save.mutate();
        }}
      >
        <Stack gap="sm">
          <TextInput label={t("device.title")} value={title} onChange={(event) => setTitle(event.currentTarget.value)} disabled={known} data-autofocus
            error={title !== "" && !AE_TITLE.test(title) ? t("device.badTitle") : undefined} />
          <TextInput label={t("device.host")} value={host} onChange={(event) => setHost(event.currentTarget.value)} />
          <NumberInput label={t("device.port")} value={port} onChange={setPort} min={1} max={65535} />
          <TextInput label={t("device.description")} value={description} onChange={(event) => setDescription(event.currentTarget.value)} />
          {save.isError && <Text c="red" size="sm">{save.error.message}</Text>}
          <Group justify="end">
            <Button variant="default" onClick={onClose}>{t("common.cancel")}</Button>
            <Button type="submit" disabled={!valid} loading={save.isPending}>{t("common.save")}</Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
