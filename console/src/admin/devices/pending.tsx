import "../words";
import { Button, NumberInput, SegmentedControl, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, type CallerAnswer } from "../../api/v1";
import { Designed } from "../../kit/states";
import { type Column, Table } from "../../kit/table";
import classes from "../admin.module.css";
import { Ask, Facts, Note, Panel, Room, Section, State, useAddress, When } from "../parts";
import { className, syntaxName } from "./syntaxes";
import { useTabs } from "./tabs";

/** Who was turned away, or did not get what it asked for: why, and what mends it. */
export function Pending() {
  const { t } = useTranslation();
  const tabs = useTabs();
  const [at, go] = useAddress();
  const state = at.state === "dismissed" ? "dismissed" : "pending";
  const callers = useQuery({ queryKey: ["callers", state], queryFn: () => api.callersApi.show({ query: { state } }), refetchInterval: 10_000 });
  const [approving, setApproving] = useState<CallerAnswer>();
  const [dismissing, setDismissing] = useState<CallerAnswer>();
  const rows = callers.data?.callers ?? [];
  const open = rows.find((row) => String(row.id) === at.caller);
  const columns: Column<CallerAnswer>[] = [
    { key: "calling", title: t("callers.calling"), width: "minmax(164px, 1fr)", cell: (row) => <Text span inherit fw={600}>{row.calling_ae || t("callers.noTitle")}</Text> },
    { key: "what", title: t("callers.what"), width: "minmax(200px, 2.4fr)", cell: (row) => t(`callers.reason.${row.reason}`, { defaultValue: row.what }) },
    { key: "address", title: t("callers.address"), width: "minmax(110px, 1fr)", cell: (row) => row.address },
    { key: "vendor", title: t("callers.vendor"), width: "minmax(110px, 1.2fr)", cell: (row) => [row.vendor, row.implementation_version].filter(Boolean).join(" · ") },
    { key: "last", title: t("callers.last"), width: "172px", cell: (row) => <When at={row.last_seen} /> },
    { key: "attempts", title: t("callers.attempts"), width: "80px", numeric: true, cell: (row) => row.attempts },
    { key: "act", title: t("common.actions"), width: "100px", cell: (row) => row.approvable && state === "pending" && (
      <Button size="compact-xs" variant="light" onClick={(event) => { event.stopPropagation(); setApproving(row); }} aria-label={t("callers.approveOne", { title: row.calling_ae })}>{t("callers.approve")}</Button>) },
  ];
  const shown = open ? columns.filter((column) => !["vendor", "last", "address"].includes(column.key)) : columns;
  return (
    <Room tabs={tabs}
      tools={<>
        <SegmentedControl size="xs" aria-label={t("callers.which")} value={state} onChange={(next) => go({ state: next === "dismissed" ? next : undefined, caller: undefined })}
          data={[{ value: "pending", label: t("callers.pending") }, { value: "dismissed", label: t("callers.dismissed") }]} />
        <div className={classes.spacer} />
        <Text size="xs" c="dimmed">{t("common.shown", { shown: rows.length })}</Text>
      </>}
      panel={open && <CallerPanel caller={open} onApprove={() => setApproving(open)} onDismiss={() => setDismissing(open)} onClose={() => go({ caller: undefined })} />}>
      {callers.isError ? <Designed.Failed error={callers.error} retry={() => void callers.refetch()} /> : (
        <Table label={t("devices.tab.pending")} columns={shown} rows={rows} rowKey={(row) => String(row.id)} selected={at.caller} loading={callers.isLoading}
          onSelect={(row) => go({ caller: String(row.id) })} onOpen={(row) => row.approvable && setApproving(row)}
          empty={<Designed.Empty title={t(`callers.empty.${state}`)} hint={t(`callers.emptyHint.${state}`)} />} />
      )}
      {approving && <Approve caller={approving} onClose={() => setApproving(undefined)} onDone={() => go({ caller: undefined })} />}
      {dismissing && <Ask title={t("callers.dismissTitle", { title: dismissing.calling_ae })} text={t("callers.dismissText")} verb={t("callers.dismiss")} onClose={() => setDismissing(undefined)}
        act={() => api.callersApi.dismiss({ pk: dismissing.id })} done={t("callers.isDismissed", { title: dismissing.calling_ae })} refresh={[["callers"]]} onDone={() => go({ caller: undefined })} />}
    </Room>
  );
}

function Approve({ caller, onClose, onDone }: { caller: CallerAnswer; onClose: () => void; onDone: () => void }) {
  const { t } = useTranslation();
  const [port, setPort] = useState<number | string>(104);
  const fresh = caller.reason === "calling-ae-unknown";
  const services = [...new Set(["echo", ...caller.services])].map((each) => t(`policy.choice.${each}`)).join(", ");
  const values = { title: caller.calling_ae, address: caller.address, services };
  return (
    <Ask title={t("callers.approveTitle", values)} verb={t("callers.approve")} onClose={onClose} onDone={onDone} refresh={[["callers"], ["devices"]]} done={t("callers.isApproved", values)}
      act={() => api.callersApi.approve({ pk: caller.id, body: fresh ? { port: Number(port) || 104 } : {} })}
      text={<>
        <p style={{ margin: "0 0 12px" }}>{t(`callers.will.${caller.reason}`, { ...values, defaultValue: caller.todo })}</p>
        {fresh && <NumberInput label={t("callers.port")} description={t("callers.portHelp")} value={port} onChange={setPort} min={1} max={65535} allowDecimal={false} />}
      </>} />
  );
}

function CallerPanel({ caller, onApprove, onDismiss, onClose }: { caller: CallerAnswer; onApprove: () => void; onDismiss: () => void; onClose: () => void }) {
  const { t } = useTranslation();
  return (
    <Panel title={caller.calling_ae || t("callers.noTitle")} label={caller.calling_ae || t("callers.noTitle")} sub={caller.address} onClose={onClose}
      actions={<>
        {caller.approvable && <Button size="compact-sm" onClick={onApprove}>{t("callers.approve")}</Button>}
        {caller.state === "pending" && <Button size="compact-sm" variant="default" onClick={onDismiss}>{t("callers.dismiss")}</Button>}
      </>}>
      <Note tone="warn" title={t(`callers.reason.${caller.reason}`, { defaultValue: caller.what })}>
        {t(`callers.todo.${caller.reason}`, { defaultValue: caller.todo })}
        {caller.detail && <div><Text size="xs" c="dimmed" mt={4}>{caller.detail}</Text></div>}
      </Note>
      <Facts of={[
        [t("callers.calledAs"), caller.called_ae],
        [t("callers.vendor"), caller.vendor || t("callers.unknownVendor")],
        [t("callers.implementation"), caller.implementation_version],
        [t("callers.implementationUid"), <span key="u" className={classes.code}>{caller.implementation_class}</span>],
        [t("callers.attempts"), caller.attempts],
        [t("callers.first"), <When key="f" at={caller.first_seen} ago />],
        [t("callers.last"), <When key="l" at={caller.last_seen} ago />],
        [t("callers.wants"), caller.services.map((each) => t(`policy.choice.${each}`, { defaultValue: each })).join(", ")],
      ]} />
      <Section title={t("callers.proposed", { count: caller.proposal.length })}>
        <table className={classes.plain}>
          <thead><tr><th>{t("callers.sopClass")}</th><th>{t("callers.syntaxes")}</th></tr></thead>
          <tbody>
            {caller.proposal.map((each) => (
              <tr key={each.sop_class}>
                <td>{className(each.sop_class)}{each.scp && <State tone="muted">SCP</State>}</td>
                <td>{each.syntaxes.map(syntaxName).join(", ")}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Section>
    </Panel>
  );
}
