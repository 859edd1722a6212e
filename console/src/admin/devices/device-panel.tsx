import { Button, Text } from "@mantine/core";
import { IconPencil, IconPlugConnected, IconPower, IconTrash } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, type DeviceAnswer, type DeviceChange } from "../../api/v1";
import { Designed } from "../../kit/states";
import classes from "../admin.module.css";
import { Ask, Facts, Note, Panel, Section, State, useAct, When } from "../parts";
import { ConnectionTest } from "./connection-test";
import { DEVICE, differs, others, type Policy, valueOf } from "./fields";
import { badly, type Standing } from "./standing";

interface Props {
  device: DeviceAnswer;
  standing: Standing;
  onEdit: () => void;
  onClose: () => void;
}

/** One device: how it stands, its test, what it may do, who changed it. */
export function DevicePanel({ device, standing, onEdit, onClose }: Props) {
  const { t } = useTranslation();
  const [testing, setTesting] = useState(0);
  const [asked, setAsked] = useState<"off" | "remove">();
  const title = device.ae_title;
  const refresh = [["devices"]] as const;
  const turnOn = useAct(() => api.devices.patch({ title, body: { enabled: true } }), { done: t("devices.on", { title }), refresh, loud: true });
  const resume = useAct(() => api.queues.resume({ title }), { done: t("queues.resumed", { title }), refresh: [["destinations"]], loud: true });
  return (
    <Panel label={title} title={title} sub={[`${device.host}:${device.port}`, device.description].filter(Boolean).join(" · ")} onClose={onClose}
      actions={<>
        <Button size="compact-sm" leftSection={<IconPlugConnected size={15} />} onClick={() => setTesting(testing + 1)}>{t("devices.test")}</Button>
        <Button size="compact-sm" variant="default" leftSection={<IconPencil size={15} />} onClick={onEdit}>{t("devices.edit")}</Button>
        <Button size="compact-sm" variant="default" leftSection={<IconPower size={15} />} loading={turnOn.isPending} onClick={() => (device.enabled ? setAsked("off") : turnOn.mutate(undefined))}>
          {t(device.enabled ? "devices.turnOff" : "devices.turnOn")}
        </Button>
        <Button size="compact-sm" variant="default" leftSection={<IconTrash size={15} />} onClick={() => setAsked("remove")}>{t("common.remove")}</Button>
      </>}>
      {testing > 0 && <Section title={t("devices.testTitle")}><ConnectionTest key={testing} title={title} /></Section>}
      <Section title={t("devices.standing")}>
        <Standings device={device} standing={standing} />
        {standing.destination && standing.destination.state !== "in use" && (
          <Note tone={standing.destination.state === "away" ? "bad" : "warn"} title={t(`devices.destination.${standing.destination.state}`, { count: standing.destination.waiting })}>
            {standing.destination.trouble}
            <div><Button mt={6} size="compact-xs" variant="default" loading={resume.isPending} onClick={() => resume.mutate(undefined)}>{t(standing.destination.state === "away" ? "queues.tryNow" : "queues.resume")}</Button></div>
          </Note>
        )}
      </Section>
      <Section title={t("devices.rules")}><Rules policy={device.policy} /></Section>
      <Section title={t("devices.changes")}><Changes title={title} /></Section>
      {asked === "off" && <Ask title={t("devices.turnOffTitle", { title })} text={t("devices.turnOffText")} verb={t("devices.turnOff")} onClose={() => setAsked(undefined)}
        act={() => api.devices.patch({ title, body: { enabled: false } })} done={t("devices.isOff", { title })} refresh={refresh} />}
      {asked === "remove" && <Ask danger title={t("devices.removeTitle", { title })} text={t("devices.removeText", { count: standing.destination?.waiting ?? 0, open: standing.open })} verb={t("common.remove")} onClose={() => setAsked(undefined)}
        act={() => api.devices.remove({ title })} done={t("devices.removed", { title })} refresh={refresh} onDone={onClose} />}
    </Panel>
  );
}

function Standings({ device, standing }: { device: DeviceAnswer; standing: Standing }) {
  const { t } = useTranslation();
  const { last, open, destination } = standing;
  const link = (to: string, search: object, text: string) => <Link to={to as never} search={search as never} style={{ color: "var(--accent)" }}>{text}</Link>;
  return (
    <Facts of={[
      [t("devices.state"), <State key="s" tone={standing.tone}>{t(`devices.word.${standing.word}`, { count: open })}</State>],
      [t("devices.lastContact"), last ? <><When at={last.opened_at} ago /> {badly(last) && <Text span inherit className={classes.bad}>{last.reason || t(`recorder.outcome.${last.outcome}`, { defaultValue: last.outcome })}</Text>}</> : t("devices.never")],
      [t("devices.openNow"), open > 0 && link("/devices/associations", {}, String(open))],
      [t("devices.waitingTo"), destination && destination.waiting > 0 && link("/queues", { to: device.ae_title }, t("queues.objects", { count: destination.waiting }))],
      [t("devices.site"), [device.site, device.department].filter(Boolean).join(" · ")],
      [t("devices.lookInto"), <>{link("/devices/recorder", { ae: device.ae_title }, t("devices.tab.recorder"))} · {link("/devices/worklist", { ae: device.ae_title }, t("devices.tab.worklist"))}</>],
    ]} />
  );
}

/** What differs from the defaults, in words. */
function Rules({ policy }: { policy: Policy }) {
  const { t } = useTranslation();
  const said = DEVICE.flatMap((group) => group.fields).filter((field) => differs(policy, field));
  const rest = Object.entries(others(policy, DEVICE));
  if (said.length + rest.length === 0) return <Text size="sm" c="dimmed">{t("devices.allDefaults")}</Text>;
  const show = (value: unknown): string => {
    if (Array.isArray(value)) return value.length === 0 ? t("common.none") : value.map((each) => t(`policy.choice.${each}`, { defaultValue: String(each) })).join(", ");
    if (typeof value === "boolean") return t(value ? "admin.yes" : "admin.no");
    return value === null ? t("policy.everything") : typeof value === "object" ? JSON.stringify(value) : String(value);
  };
  return (
    <Facts of={[
      ...said.map((field) => [t(`policy.device.${field.key.replaceAll(".", "_")}.label`), show(valueOf(policy, field))] as const),
      ...rest.map(([key, value]) => [key, <span key={key} className={classes.code}>{JSON.stringify(value)}</span>] as const),
    ]} />
  );
}

function Changes({ title }: { title: string }) {
  const { t } = useTranslation();
  const changes = useQuery({ queryKey: ["devices", "changes", title], queryFn: () => api.devices.changes({ title }) });
  if (changes.isLoading) return <Designed.Skeleton rows={2} />;
  if (changes.isError) return <Text size="sm" c="dimmed">{changes.error.message}</Text>;
  return (
    <table className={classes.plain}>
      <tbody>
        {changes.data?.changes.slice(0, 12).map((each) => (
          <tr key={each.at + each.action}>
            <td style={{ whiteSpace: "nowrap" }}><When at={each.at} /></td>
            <td>{each.who}</td>
            <td>{t(`devices.action.${each.action}`, { defaultValue: each.action })}{changedKeys(each)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function changedKeys({ before, after }: DeviceChange): string {
  if (!before || !after) return "";
  const flat = (row: Record<string, unknown>) => ({ ...row, ...(row.policy as object), policy: undefined }) as Record<string, unknown>;
  const [old, fresh] = [flat(before), flat(after)];
  const keys = [...new Set([...Object.keys(old), ...Object.keys(fresh)])].filter((key) => JSON.stringify(old[key]) !== JSON.stringify(fresh[key]));
  return keys.length > 0 ? `: ${keys.join(", ")}` : "";
}
