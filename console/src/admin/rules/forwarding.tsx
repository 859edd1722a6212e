import "../words";
import { Button, Text } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, type ForwardRuleAnswer } from "../../api/v1";
import { Editing } from "../../kit/editing";
import { Designed } from "../../kit/states";
import { type Column, Table } from "../../kit/table";
import { Room, State, useAddress, When } from "../parts";
import { ForwardForm, toldRule } from "./forward-form";
import { useTabs } from "./rules";

/** What is sent on by itself: when, what, where to; the first rule is asked first. */
export function Forwarding() {
  const { t } = useTranslation();
  const tabs = useTabs();
  const [at, go] = useAddress();
  const rules = useQuery({ queryKey: ["forward-rules"], queryFn: () => api.forwarding.rules() });
  const rows = rules.data?.rules ?? [];
  const open = rows.find((row) => row.name === at.rule);
  const columns: Column<ForwardRuleAnswer>[] = [
    { key: "rank", title: t("forward.rank"), width: "76px", numeric: true, cell: (row) => row.rank },
    { key: "name", title: t("rules.name"), width: "minmax(140px, 1fr)", cell: (row) => <Text span inherit fw={600}>{row.name}</Text> },
    { key: "state", title: t("devices.state"), width: "96px", cell: (row) => <State tone={row.enabled ? "good" : "muted"}>{t(row.enabled ? "rules.on" : "rules.off")}</State> },
    { key: "to", title: t("forward.to"), width: "minmax(130px, 1fr)", cell: (row) => row.destinations.join(t("common.listComma")) },
    { key: "what", title: t("forward.sentence"), width: "minmax(260px, 4fr)", cell: (row) => <span title={toldRule(t, row)}>{toldRule(t, row)}</span> },
    { key: "changed", title: t("admin.changed"), width: "172px", cell: (row) => <When at={row.changed_at} /> },
  ];
  const close = () => go({ rule: undefined, form: undefined });
  const add = <Button size="compact-sm" leftSection={<IconPlus size={15} />} onClick={() => go({ form: "new", rule: undefined })}>{t("forward.add")}</Button>;
  return (
    <Room tabs={tabs} tools={<>{add}<Text size="xs" c="dimmed">{t("forward.about")}</Text></>}
      panel={at.form === "new" ? <ForwardForm key="new" taken={rows.map((row) => row.name)} onClose={close} />
        : open && <Editing key={open.name} of={["forward", open.name]} read={() => api.forwarding.show({ name: open.name })}>{(base, again) => <ForwardForm rule={base} taken={[]} onClose={close} onAgain={again} />}</Editing>}>
      {rules.isError ? <Designed.Failed error={rules.error} retry={() => void rules.refetch()} /> : (
        <Table label={t("forward.tab")} columns={open || at.form ? columns.slice(0, 3) : columns} rows={rows} rowKey={(row) => row.name} selected={at.rule} onSelect={(row) => go({ rule: row.name, form: undefined })} loading={rules.isLoading}
          empty={<Designed.Empty title={t("forward.empty")} hint={t("forward.emptyHint")} action={add} />} />
      )}
    </Room>
  );
}
