import { Button, Group, Text } from "@mantine/core";
import { IconShieldCheck } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import classes from "../../admin/admin.module.css";
import { Note, Room, Secret, State, useAct, When, Wrong } from "../../admin/parts";
import { api } from "../../api/v1";
import { Designed } from "../../kit/states";
import { useTabs } from "./tabs";

/** Whether the trail is as it was written, and when that was last asked. */
export function Trail() {
  const { t } = useTranslation();
  const tabs = useTabs();
  const verify = useAct(() => api.audit.verify(), { refresh: [["verifications"]] });
  const past = useQuery({ queryKey: ["verifications"], queryFn: () => api.audit.search({ query: { kind: "audit-read", limit: 1000 } }), refetchOnWindowFocus: false, staleTime: 30_000 });
  const found = verify.data;
  const earlier = (past.data?.records ?? []).filter((row) => row.what === "verified");
  return (
    <Room tabs={tabs}>
      <div className={classes.page} tabIndex={0} role="region" aria-label={t("audit.tab.trail")}>
        <div className={classes.column}>
          <section>
            <h2>{t("audit.trail.title")}</h2>
            <Text size="sm" c="dimmed" mb="md">{t("audit.trail.text")}</Text>
            <Group gap="md">
              <Button leftSection={<IconShieldCheck size={16} />} loading={verify.isPending} onClick={() => verify.mutate(undefined)}>{t("audit.trail.verify")}</Button>
              {verify.isPending && <Text size="sm" role="status">{t("audit.trail.running")}</Text>}
            </Group>
          </section>
          <div aria-live="polite">
            <Wrong error={verify.error} />
            {found && (
              <Note tone={found.good ? "good" : "bad"} title={t(found.good ? "audit.trail.good" : "audit.trail.bad")}>
                {found.good ? t("audit.trail.goodText", { count: found.records, checkpoints: found.checkpoints }) : t("audit.trail.badText", { count: found.faults.length })}
              </Note>
            )}
          </div>
          {found && found.faults.length > 0 && (
            <table className={classes.plain}>
              <thead><tr><th>{t("audit.trail.at")}</th><th>{t("audit.trail.fault")}</th></tr></thead>
              <tbody>{found.faults.map((fault) => <tr key={`${fault.seq}${fault.what}`}><td>{fault.seq}</td><td>{fault.what}</td></tr>)}</tbody>
            </table>
          )}
          {found?.good && <section><h2>{t("audit.trail.end")}</h2><Secret text={t("audit.trail.endText")} value={`${found.last}:${found.hash}`} /></section>}
          <section>
            <h2>{t("audit.trail.past")}</h2>
            {past.isLoading && <Designed.Skeleton rows={3} />}
            {past.data && earlier.length === 0 && <Text size="sm" c="dimmed">{t("audit.trail.noPast")}</Text>}
            {earlier.length > 0 && (
              <table className={classes.plain}>
                <thead><tr><th>{t("audit.at")}</th><th>{t("audit.who")}</th><th>{t("audit.outcome")}</th></tr></thead>
                <tbody>{earlier.slice(0, 20).map((row) => {
                  const faults = Number(row.detail.faults ?? 0);
                  return <tr key={row.seq}><td><When at={row.at} ago /></td><td>{row.who_name || row.who}</td><td><State tone={faults ? "bad" : "good"}>{faults ? t("audit.trail.faults", { count: faults }) : t("audit.trail.whole")}</State></td></tr>;
                })}</tbody>
              </table>
            )}
          </section>
        </div>
      </div>
    </Room>
  );
}
