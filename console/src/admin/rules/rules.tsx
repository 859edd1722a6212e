import "../words";
import { Button, Text } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, type RuleAnswer } from "../../api/v1";
import { Editing } from "../../kit/editing";
import { Designed } from "../../kit/states";
import { type Column, Table } from "../../kit/table";
import classes from "../admin.module.css";
import { Room, State, useAct, useAddress, When } from "../parts";
import { toldAction } from "./action-form";
import { RuleForm } from "./rule-form";
import { tests, told } from "./tests";

export const useTabs = () => {
  const { t } = useTranslation();
  return [
    { to: "/rules", label: t("rules.tab.coercion") },
    { to: "/rules/forward", label: t("forward.tab") },
    { to: "/rules/storing", label: t("rules.tab.storing") },
  ];
};

/** The rules of coercion in the order in which they are asked. */
export function Rules() {
  const { t } = useTranslation();
  const tabs = useTabs();
  const [at, go] = useAddress();
  const rules = useQuery({ queryKey: ["rules"], queryFn: () => api.rules.rules() });
  const rows = rules.data?.rules ?? [];
  const open = rows.find((row) => row.name === at.rule);
  const turn = useAct(({ name, enabled, ...rest }: RuleAnswer) => api.rules.putRule({ name, body: { condition: rest.condition, actions: rest.actions, priority: rest.priority, stop: rest.stop, enabled: !enabled } }), { done: t("rules.turned"), refresh: [["rules"]], loud: true });
  const columns: Column<RuleAnswer>[] = [
    { key: "order", title: t("rules.order"), width: "76px", numeric: true, cell: (row) => row.priority },
    { key: "name", title: t("rules.name"), width: "minmax(150px, 1fr)", cell: (row) => <Text span inherit fw={600}>{row.name}</Text> },
    { key: "state", title: t("devices.state"), width: "96px", cell: (row) => <State tone={row.enabled ? "good" : "muted"}>{t(row.enabled ? "rules.on" : "rules.off")}</State> },
    { key: "condition", title: t("rules.condition"), width: "minmax(200px, 2.4fr)", cell: (row) => { const list = tests(row.condition); return list ? <span title={row.condition}>{told(t, list) || t("tell.always")}</span> : <span className={classes.code} title={row.condition}>{row.condition}</span>; } },
    { key: "actions", title: t("rules.actions"), width: "minmax(180px, 2fr)", cell: (row) => { const said = row.actions.map((each) => toldAction(t, each)).join(t("tell.comma")); return <span title={said}>{said}</span>; } },
    { key: "changed", title: t("admin.changed"), width: "172px", cell: (row) => <When at={row.changed_at} /> },
    { key: "act", title: t("common.actions"), width: "96px", cell: (row) => <Button size="compact-xs" variant="default" onClick={(event) => { event.stopPropagation(); turn.mutate(row); }} aria-label={`${t(row.enabled ? "rules.turnOff" : "rules.turnOn")} ${row.name}`}>{t(row.enabled ? "rules.turnOff" : "rules.turnOn")}</Button> },
  ];
  const close = () => go({ rule: undefined, form: undefined });
  const add = <Button size="compact-sm" leftSection={<IconPlus size={15} />} onClick={() => go({ form: "new", rule: undefined })}>{t("rules.add")}</Button>;
  return (
    <Room tabs={tabs} tools={<>{add}<Text size="xs" c="dimmed">{t("rules.about")}</Text></>}
      panel={at.form === "new" ? <RuleForm key="new" taken={rows.map((row) => row.name)} onClose={close} /> : open && <Editing key={open.name} of={["rule", open.name]} read={() => api.rules.rule({ name: open.name })}>{(base, again) => <RuleForm rule={base} taken={[]} onClose={close} onAgain={again} />}</Editing>}>
      {rules.isError ? <Designed.Failed error={rules.error} retry={() => void rules.refetch()} /> : (
        <Table label={t("room.rules")} columns={open || at.form ? columns.slice(0, 3) : columns} rows={rows} rowKey={(row) => row.name} selected={at.rule} onSelect={(row) => go({ rule: row.name, form: undefined })} loading={rules.isLoading}
          empty={<Designed.Empty title={t("rules.empty")} hint={t("rules.emptyHint")} action={add} />} />
      )}
    </Room>
  );
}
