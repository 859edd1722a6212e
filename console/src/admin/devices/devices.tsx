import "../words";
import { Button, Text, TextInput } from "@mantine/core";
import { IconPlus, IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, type DeviceAnswer } from "../../api/v1";
import { Editing } from "../../kit/editing";
import { Designed } from "../../kit/states";
import { type Column, Table } from "../../kit/table";
import classes from "../admin.module.css";
import { Room, State, useAddress, When } from "../parts";
import { DeviceForm } from "./device-form";
import { DevicePanel } from "./device-panel";
import { SERVICES } from "./fields";
import { useStanding } from "./standing";
import { usePending, useTabs } from "./tabs";

/** The devices: who may call, where images can be sent, and how each stands now. */
export function Devices() {
  const { t } = useTranslation();
  const tabs = useTabs();
  const [at, go] = useAddress();
  const devices = useQuery({ queryKey: ["devices"], queryFn: () => api.devices.show(), refetchInterval: 20_000 });
  const standing = useStanding();
  const pending = usePending().data?.callers.length ?? 0;
  const all = devices.data?.devices ?? [];
  const wanted = (at.find ?? "").toLowerCase();
  const rows = all.filter((row) => `${row.ae_title} ${row.host} ${row.description} ${row.site} ${row.department}`.toLowerCase().includes(wanted));
  const open = all.find((row) => row.ae_title === at.device);
  const titles = all.map((row) => row.ae_title);
  const columns: Column<DeviceAnswer>[] = [
    { key: "title", title: t("devices.title"), width: "minmax(164px, 1fr)", cell: (row) => <Text span inherit fw={600}>{row.ae_title}</Text> },
    { key: "state", title: t("devices.state"), width: "minmax(176px, 1fr)", cell: (row) => { const { tone, word, open: count } = standing(row); return <State tone={tone}>{t(`devices.word.${word}`, { count })}</State>; } },
    { key: "address", title: t("devices.address"), width: "minmax(150px, 1.2fr)", cell: (row) => `${row.host}:${row.port}` },
    { key: "description", title: t("devices.description"), width: "minmax(140px, 2fr)", cell: (row) => row.description },
    { key: "services", title: t("devices.mayAsk"), width: "minmax(140px, 1.4fr)", cell: (row) => <Services of={row} /> },
    { key: "last", title: t("devices.lastContact"), width: "172px", cell: (row) => <When at={standing(row).last?.opened_at} /> },
  ];
  const shown = at.device || at.form ? columns.filter((column) => ["title", "state", "address"].includes(column.key)) : columns;
  const add = <Button size="compact-sm" leftSection={<IconPlus size={15} />} onClick={() => go({ form: "new", device: undefined })}>{t("devices.register")}</Button>;
  const close = () => go({ form: undefined, device: undefined });
  const panel =
    at.form === "new" ? <DeviceForm key="new" titles={titles} onClose={close} onSaved={(device) => go({ form: undefined, device })} />
    : open && at.form === "edit" ? <Editing key={open.ae_title} of={["device", open.ae_title]} read={() => api.devices.get({ title: open.ae_title })}>{(base, again) => <DeviceForm device={base} titles={titles} onClose={() => go({ form: undefined })} onSaved={() => go({ form: undefined })} onAgain={again} />}</Editing>
    : open ? <DevicePanel key={open.ae_title} device={open} standing={standing(open)} onEdit={() => go({ form: "edit" })} onClose={close} />
    : null;
  return (
    <Room tabs={tabs} panel={panel}
      tools={<>
        {add}
        <TextInput size="xs" w={240} value={at.find ?? ""} onChange={(event) => go({ find: event.currentTarget.value || undefined })} placeholder={t("devices.find")} aria-label={t("devices.find")} leftSection={<IconSearch size={13} />} />
        <div className={classes.spacer} />
        <Text size="xs" c="dimmed">{t("common.of", { shown: rows.length, total: all.length })}</Text>
      </>}>
      {devices.isError ? <Designed.Failed error={devices.error} retry={() => void devices.refetch()} /> : (
        <Table label={t("room.devices")} columns={shown} rows={rows} rowKey={(row) => row.ae_title} selected={at.device} loading={devices.isLoading}
          onSelect={(row) => go({ device: row.ae_title, form: undefined })} onOpen={(row) => go({ device: row.ae_title, form: "edit" })}
          empty={wanted ? <Designed.Empty title={t("devices.noMatch")} hint={t("devices.noMatchHint")} />
            : <Designed.Empty title={t("devices.empty")} hint={t(pending > 0 ? "devices.emptyPending" : "devices.emptyHint", { count: pending })} action={add} />} />
      )}
    </Room>
  );
}

function Services({ of }: { of: DeviceAnswer }) {
  const { t } = useTranslation();
  const services = of.policy.services as string[] | undefined;
  if (!services || SERVICES.every((each) => services.includes(each))) return <Text span inherit c="dimmed">{t("devices.everything")}</Text>;
  if (services.length === 0) return <Text span inherit className={classes.warn}>{t("devices.nothing")}</Text>;
  return SERVICES.filter((each) => services.includes(each)).map((each) => t(`policy.choice.${each}`)).join(", ");
}
