import "../words";
import { Alert, Anchor, Button, Checkbox, CopyButton, Group, Modal, NumberInput, Select, Stack, Text, TextInput } from "@mantine/core";
import { IconCheck } from "@tabler/icons-react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import classes from "../../admin/admin.module.css";
import { api, type LinkMade } from "../../api/v1";
import { useMay } from "../../study/actions";
import { sum, type Thing } from "../../study/data";

const MOST = 50;
const DAY_MS = 86_400_000;
const PIN_DIGITS = 6;
const PIN = /^[!-~]{4,32}$/;

/** A link to studies for somebody without an account: how long, how often, with what PIN. */
export function ShareDialog({ things, onClose }: { things: Thing[]; onClose: () => void }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const may = useMay();
  const [label, setLabel] = useState("");
  const [days, setDays] = useState("7");
  const [pin, setPin] = useState("");
  const [opens, setOpens] = useState<number | string>("");
  const [downloads, setDownloads] = useState(false);
  const studies = [...new Set(things.map((each) => each.study))];
  const make = useMutation({
    mutationFn: () => api.shares.make({ body: { studies, days: Number(days), label: label.trim(), pin, max_opens: opens === "" ? null : Number(opens), download: downloads } }),
    onSuccess: () => void queries.invalidateQueries({ queryKey: ["shares"] }),
  });
  const what = things.length === 1 ? things[0]!.label : t("study.studies", { count: studies.length });
  const pinWrong = pin !== "" && !PIN.test(pin);
  return (
    <Modal opened onClose={onClose} title={t("share.title")} closeButtonProps={{ "aria-label": t("common.close") }} closeOnClickOutside={!make.data}>
      {make.data ? <Made link={make.data} pin={pin} until={new Date(Date.now() + Number(days) * DAY_MS)} onClose={onClose} /> : (
        <form onSubmit={(event) => { event.preventDefault(); if (!pinWrong && studies.length <= MOST) make.mutate(); }}>
          <Stack gap="md">
            <Text size="sm">{t("share.what", { what, images: sum(things, "images") })}</Text>
            {studies.length > MOST && <Text size="sm" c="red" role="alert">{t("share.many")}</Text>}
            <TextInput label={t("share.to")} description={t("share.toHelp")} placeholder={t("share.toHint")} value={label} onChange={(event) => setLabel(event.currentTarget.value)} maxLength={200} data-autofocus />
            <Group grow align="start">
              <Select label={t("share.lasts")} value={days} onChange={(next) => setDays(next ?? "7")} allowDeselect={false} data={["1", "3", "7", "14", "30", "90"].map((each) => ({ value: each, label: t("share.days", { count: Number(each) }) }))} />
              <NumberInput label={t("share.opens")} value={opens} onChange={setOpens} min={1} max={10_000} allowDecimal={false} placeholder="∞" />
            </Group>
            <Text size="xs" c="dimmed" mt={-8}>{t("share.opensHelp")}</Text>
            <TextInput label={t("share.pin")} description={t("share.pinHelp")} value={pin} onChange={(event) => setPin(event.currentTarget.value)} error={pinWrong ? t("share.badPin") : undefined} maxLength={32} autoComplete="off"
              rightSectionWidth={110} rightSection={<Button size="compact-xs" variant="subtle" onClick={() => setPin(digits())}>{t("share.make")}</Button>} />
            {may("export") && <Checkbox size="sm" label={t("share.download")} checked={downloads} onChange={(event) => setDownloads(event.currentTarget.checked)} />}
            {make.isError && <Text c="red" size="sm" role="alert">{make.error.message}</Text>}
            <Group justify="end">
              <Button variant="default" onClick={onClose}>{t("common.cancel")}</Button>
              <Button type="submit" disabled={pinWrong || studies.length > MOST} loading={make.isPending}>{t("share.action")}</Button>
            </Group>
          </Stack>
        </form>
      )}
    </Modal>
  );
}

/** A PIN nobody guesses. */
function digits(): string {
  return [...crypto.getRandomValues(new Uint32Array(PIN_DIGITS))].map((each) => each % 10).join("");
}

function Made({ link, pin, until, onClose }: { link: LinkMade; pin: string; until: Date; onClose: () => void }) {
  const { t, i18n } = useTranslation();
  return (
    <Stack gap="md">
      <Alert color="green" variant="outline" icon={<IconCheck size={16} />} p="xs" role="status">{t("share.made")}</Alert>
      <div className={classes.secret}>{link.url}</div>
      <Group justify="center">
        <img src={`data:image/svg+xml;utf8,${encodeURIComponent(link.qr)}`} alt={t("share.qrAlt")} width={208} height={208} style={{ background: "#fff", borderRadius: 6 }} />
      </Group>
      {pin && <Text size="sm">{t("share.pinIs")}: <b style={{ fontFamily: "var(--mantine-font-family-monospace)" }}>{pin}</b></Text>}
      <Text size="sm" c="dimmed">{t("share.until", { until: until.toLocaleString(i18n.language === "zh" ? "zh-CN" : "sv-SE", { dateStyle: "short", timeStyle: "short" }) })}</Text>
      <Group justify="space-between">
        <Anchor component={Link} to="/shares" size="sm">{t("share.all")}</Anchor>
        <Group gap="xs">
          <Button variant="default" onClick={onClose}>{t("common.close")}</Button>
          <CopyButton value={link.url}>{({ copied, copy }) => <Button onClick={copy} data-autofocus>{copied ? t("common.copied") : t("share.copy")}</Button>}</CopyButton>
        </Group>
      </Group>
    </Stack>
  );
}
