import { Anchor, Button, Checkbox, Group, Modal, Progress, SegmentedControl, Select, Stack, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useLive } from "../api/live";
import { api, type DeliveryAnswer } from "../api/v1";
import { showBytes } from "../kit/format";
import { Designed } from "../kit/states";
import { deliveryEnded, sum, type Thing } from "./data";

const WAIT_MS = 1000;

/** Send studies, series or images to a device, and see them go. */
export function SendDialog({ things, onClose }: { things: Thing[]; onClose: () => void }) {
  const { t } = useTranslation();
  const [to, setTo] = useState<string | null>(null);
  const [priority, setPriority] = useState<"low" | "medium" | "high">("medium");
  const [commit, setCommit] = useState(false);
  const devices = useQuery({ queryKey: ["devices"], queryFn: () => api.devices.show() });
  const order = useMutation({
    mutationFn: (title: string) =>
      api.queues.order({
        body: {
          to: title,
          studies: things.filter((each) => !each.series).map((each) => each.study),
          series: things.filter((each) => each.series && !each.instance).map((each) => each.series!),
          instances: things.flatMap((each) => each.instance ?? []),
          priority,
          commit,
        },
      }),
  });
  const what = things.length === 1 ? things[0]!.label : t("study.studies", { count: things.length });
  const known = devices.data?.devices ?? [];
  return (
    <Modal opened onClose={onClose} title={t("send.title")} closeButtonProps={{ "aria-label": t("common.close") }}>
      {order.data ? <Delivery started={order.data} onClose={onClose} /> : (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (to) order.mutate(to);
          }}
        >
          <Stack gap="md">
            <Text size="sm">{t("send.what", { what, images: sum(things, "images"), size: showBytes(sum(things, "bytes")) })}</Text>
            {devices.isLoading && <Designed.Skeleton rows={1} />}
            {devices.isError && <Text c="red" size="sm" role="alert">{devices.error.message}</Text>}
            {devices.data && known.length === 0 && (
              <Text size="sm" c="dimmed">
                {t("send.noDevice")} <Anchor component={Link} to="/devices" size="sm">{t("send.register")}</Anchor>
              </Text>
            )}
            {known.length > 0 && (
              <Select label={t("send.to")} value={to} onChange={setTo} searchable data-autofocus required nothingFoundMessage={t("common.none")}
                data={known.map((each) => ({ value: each.ae_title, label: [each.ae_title, each.description, !each.enabled && t("send.disabled")].filter(Boolean).join(" · "), disabled: !each.enabled }))} />
            )}
            <div>
              <Text size="sm" fw={500} mb={4} id="send-priority">{t("send.priority")}</Text>
              <SegmentedControl size="xs" value={priority} onChange={(value) => setPriority(value as typeof priority)} aria-labelledby="send-priority"
                data={(["low", "medium", "high"] as const).map((value) => ({ value, label: t(`send.${value}`) }))} />
            </div>
            <Checkbox size="sm" checked={commit} onChange={(event) => setCommit(event.currentTarget.checked)} label={t("send.commit")} />
            {order.isError && <Text c="red" size="sm" role="alert">{order.error.message}</Text>}
            <Group justify="end">
              <Button variant="default" onClick={onClose}>{t("common.cancel")}</Button>
              <Button type="submit" disabled={!to} loading={order.isPending}>{t("send.action")}</Button>
            </Group>
          </Stack>
        </form>
      )}
    </Modal>
  );
}

function Delivery({ started, onClose }: { started: DeliveryAnswer; onClose: () => void }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const key = ["delivery", started.id];
  const watched = useQuery({
    queryKey: key,
    queryFn: () => api.queues.get({ pk: started.id }),
    initialData: started,
    refetchInterval: (query) => (deliveryEnded(query.state.data) ? false : WAIT_MS),
  });
  useLive(["DeliveryEnded"], key);
  const now = watched.data;
  const change = useMutation({
    mutationFn: async (what: "cancel" | "retry") => void (what === "cancel" ? await api.queues.cancel({ pk: now.id }) : await api.queues.retry({ pk: now.id })),
    onSettled: () => void queries.invalidateQueries({ queryKey: key }),
  });
  const ended = deliveryEnded(now);
  const failed = ended && now.failed > 0;
  const gone = now.sent + now.warned;
  const values = { sent: gone, total: now.total, to: now.ae_title, failed: now.failed };
  const word = !ended ? "running" : now.state === "cancelled" ? "cancelled" : failed ? "failed" : "done";
  return (
    <Stack gap="md">
      <Text size="sm" role="status">{t(`send.${word}`, values)}</Text>
      <Progress value={now.total > 0 ? (100 * (gone + now.failed)) / now.total : 0} color={failed ? "red" : undefined} animated={!ended} aria-label={t("send.title")} />
      {now.trouble && <Text size="sm" c={ended ? "red" : "dimmed"}>{now.trouble}</Text>}
      {change.isError && <Text c="red" size="sm" role="alert">{change.error.message}</Text>}
      <Group justify="end">
        {!ended && <Button variant="default" onClick={() => change.mutate("cancel")} loading={change.isPending}>{t("send.callOff")}</Button>}
        {failed && <Button variant="default" onClick={() => change.mutate("retry")} loading={change.isPending}>{t("send.retry")}</Button>}
        <Button onClick={onClose} data-autofocus>{ended ? t("common.close") : t("send.background")}</Button>
      </Group>
    </Stack>
  );
}
