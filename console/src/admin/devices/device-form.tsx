import { Button, NumberInput, SimpleGrid, Switch, TextInput } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, type DeviceAnswer } from "../../api/v1";
import { Conflict, ConflictNote, useSave } from "../../kit/editing";
import { Problem } from "../../kit/http";
import { Panel, say, Wrong } from "../parts";
import { DEVICE, type Policy, valueOf } from "./fields";
import { PolicyForm } from "./policy-form";

export const AE_TITLE = /^(?=.*\S)[ -[\]-~]{1,16}$/;

interface Props {
  /** The device that is changed; without it one is registered. */
  device?: DeviceAnswer;
  titles: readonly string[];
  onClose: () => void;
  onSaved: (title: string) => void;
  onAgain?: () => void;
}

/** Register a device, or change everything that is said of it. */
export function DeviceForm({ device, titles, onClose, onSaved, onAgain }: Props) {
  const { t } = useTranslation();
  const [title, setTitle] = useState(device?.ae_title ?? "");
  const [own, setOwn] = useState({
    host: device?.host ?? "", port: (device?.port ?? 104) as number | string, description: device?.description ?? "",
    enabled: device?.enabled ?? true, site: device?.site ?? "", department: device?.department ?? "",
  });
  const [policy, setPolicy] = useState<Policy>(device?.policy ?? {});
  const change = (part: Partial<typeof own>) => setOwn((old) => ({ ...old, ...part }));
  const name = title.trim();
  const taken = !device && titles.includes(name);
  const valid = AE_TITLE.test(title) && !taken && own.host.trim() !== "" && Number(own.port) > 0;
  const save = useSave({
    base: device,
    read: () => api.devices.get({ title: name }),
    write: (ifMatch) => api.devices.put({ title: name, body: { ...own, host: own.host.trim(), port: Number(own.port), policy }, ifMatch }),
    values: (state) => ({
      ...Object.fromEntries((["description", "host", "port", "site", "department"] as const).map((key) => [t(`devices.${key}`), state[key]])),
      [t("devices.enabled")]: t(state.enabled ? "rules.on" : "rules.off"),
      ...Object.fromEntries(DEVICE.flatMap((group) => group.fields).map((field) => [t(`policy.device.${field.key}.label`), valueOf(state.policy, field)])),
    }),
    author: async () => (await api.devices.changes({ title: name })).changes[0],
    refresh: [["devices"], ["callers"]],
    onDone: () => { say(t(device ? "devices.saved" : "devices.registered", { title: name })); onSaved(name); },
  });
  const wrong = faultsOf(save.error);
  const text = (key: "host" | "description" | "site" | "department", more: object = {}) => (
    <TextInput label={t(`devices.${key}`)} value={own[key]} error={wrong[key]} onChange={(event) => change({ [key]: event.currentTarget.value })} {...more} />
  );
  return (
    <form style={{ display: "contents" }} onSubmit={(event) => { event.preventDefault(); if (valid) save.mutate(undefined); }}>
      <Panel wide title={device ? device.ae_title : t("devices.register")} label={t(device ? "devices.edit" : "devices.register")} sub={t(device ? "devices.editSub" : "devices.registerSub")} onClose={onClose}
        foot={<>
          <Button variant="default" onClick={onClose}>{t("common.cancel")}</Button>
          <Button type="submit" disabled={!valid} loading={save.isPending}>{t("common.save")}</Button>
        </>}>
        <ConflictNote error={save.error} onReload={() => onAgain?.()} onOver={(tag) => save.mutate(tag)} />
        <Wrong error={save.error instanceof Conflict ? null : save.error} />
        <SimpleGrid cols={2} spacing="sm">
          <TextInput label={t("devices.title")} description={device ? undefined : t("devices.titleHelp")} value={title} onChange={(event) => setTitle(event.currentTarget.value)} disabled={device !== undefined} data-autofocus autoFocus={!device}
            error={taken ? t("devices.taken") : title !== "" && !AE_TITLE.test(title) ? t("devices.badTitle") : undefined} />
          {text("description", { description: device ? undefined : t("devices.descriptionHelp") })}
          {text("host")}
          <NumberInput label={t("devices.port")} value={own.port} error={wrong.port} onChange={(port) => change({ port })} min={1} max={65535} allowDecimal={false} />
          {text("site")}
          {text("department", { disabled: own.site === "" })}
        </SimpleGrid>
        <Switch label={t("devices.enabled")} description={t("devices.enabledHelp")} checked={own.enabled} onChange={(event) => change({ enabled: event.currentTarget.checked })} />
        <PolicyForm of="device" groups={DEVICE} policy={policy} onChange={setPolicy} wrong={wrong} titles={titles} open={["may", "from"]} />
      </Panel>
    </form>
  );
}

/** What the server found wrong, by the key of a field: /policy/worklist/more_days is worklist.more_days. */
export function faultsOf(error: Error | null): Record<string, string> {
  if (!(error instanceof Problem)) return {};
  return Object.fromEntries(error.errors.map(({ pointer, detail }) => [pointer.replace(/^\/(policy\/)?/, "").replace(/\/\d+$/, "").replaceAll("/", "."), detail]));
}
