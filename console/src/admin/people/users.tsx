import "../words";
import { Button, Checkbox, Modal, Stack, Text, TextInput } from "@mantine/core";
import { IconPlus, IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useTabsOf } from "../../rights/roles/data";
import "../../rights/words";
import { Conflict, ConflictNote, Editing, useSave } from "../../kit/editing";
import { Designed } from "../../kit/states";
import { type Column, Table } from "../../kit/table";
import classes from "../admin.module.css";
import { Ask, Facts, Note, Panel, Room, say, Secret, State, type Tone, useAct, useAddress, When, Wrong } from "../parts";
import { type Account, people, ROLES } from "./api";

interface OneTime {
  name: string;
  password: string;
}

/** Who can sign in, and what they may do. */
export function Users() {
  const { t } = useTranslation();
  const [at, go] = useAddress();
  const accounts = useQuery({ queryKey: ["accounts"], queryFn: people.accounts, refetchInterval: 20_000 });
  const [oneTime, setOneTime] = useState<OneTime>();
  const tabs = useTabsOf(t);
  const all = accounts.data?.accounts ?? [];
  const wanted = (at.find ?? "").toLowerCase();
  const rows = all.filter((row) => `${row.name} ${row.display_name} ${row.roles.join(" ")}`.toLowerCase().includes(wanted));
  const open = all.find((row) => row.name === at.user);
  const columns: Column<Account>[] = [
    { key: "name", title: t("users.name"), width: "minmax(140px, 1fr)", cell: (row) => <Text span inherit fw={600}>{row.name}</Text> },
    { key: "display", title: t("users.display"), width: "minmax(150px, 1.4fr)", cell: (row) => row.display_name },
    { key: "state", title: t("devices.state"), width: "minmax(130px, 0.8fr)", cell: (row) => <Standing of={row} /> },
    { key: "roles", title: t("users.roles"), width: "minmax(160px, 1.6fr)", cell: (row) => row.roles.map((each) => t(`users.role.${each}`, { defaultValue: each })).join(", ") },
    { key: "factors", title: t("users.factors"), width: "minmax(120px, 1fr)", cell: (row) => factorsOf(row, t) },
    { key: "last", title: t("users.lastSignIn"), width: "172px", cell: (row) => <When at={row.last_sign_in} /> },
  ];
  const close = () => go({ user: undefined, form: undefined });
  const add = <Button size="compact-sm" leftSection={<IconPlus size={15} />} onClick={() => go({ form: "new", user: undefined })}>{t("users.add")}</Button>;
  return (
    <Room
      tabs={tabs}
      tools={<>
        {add}
        <TextInput size="xs" w={240} value={at.find ?? ""} onChange={(event) => go({ find: event.currentTarget.value || undefined })} placeholder={t("users.find")} aria-label={t("users.find")} leftSection={<IconSearch size={13} />} />
        <div className={classes.spacer} />
        <Text size="xs" c="dimmed">{t("common.of", { shown: rows.length, total: all.length })}</Text>
      </>}
      panel={at.form === "new" ? <UserForm key="new" onClose={close} onMade={setOneTime} /> : open && <Editing key={open.name} of={["account", open.name]} read={() => people.account(open.name)}>{(base, again) => <UserForm account={base} onClose={close} onMade={setOneTime} onAgain={again} />}</Editing>}>
      {accounts.isError ? <Designed.Failed error={accounts.error} retry={() => void accounts.refetch()} /> : (
        <Table label={t("room.users")} columns={open || at.form ? columns.slice(0, 3) : columns} rows={rows} rowKey={(row) => row.name} selected={at.user} onSelect={(row) => go({ user: row.name, form: undefined })} loading={accounts.isLoading}
          empty={<Designed.Empty title={t("users.noMatch")} hint={t("devices.noMatchHint")} />} />
      )}
      <Modal closeButtonProps={{ "aria-label": t("common.close") }} opened={oneTime !== undefined} onClose={() => setOneTime(undefined)} title={t("users.oneTime", { name: oneTime?.name })} closeOnClickOutside={false}>
        <Stack><Secret text={t("users.oneTimeText")} value={oneTime?.password ?? ""} /><Button onClick={() => setOneTime(undefined)}>{t("admin.kept")}</Button></Stack>
      </Modal>
    </Room>
  );
}

type Say = ReturnType<typeof useTranslation>["t"];

function factorsOf(row: Account, t: Say): string {
  const found = [row.authenticator && t("users.authenticator"), row.passkeys > 0 && t("users.passkeys", { count: row.passkeys })].filter(Boolean);
  return found.join(", ") || t("users.passwordOnly");
}

function Standing({ of }: { of: Account }) {
  const { t } = useTranslation();
  const locked = of.locked_until !== null && new Date(of.locked_until) > new Date();
  const [tone, word]: [Tone, string] = !of.enabled ? ["muted", "disabled"] : locked ? ["bad", "locked"] : of.must_change ? ["warn", "mustChange"] : ["good", "active"];
  return <State tone={tone}>{t(`users.state.${word}`)}</State>;
}

function UserForm({ account, onClose, onMade, onAgain }: { account?: Account; onClose: () => void; onMade: (made: OneTime) => void; onAgain?: () => void }) {
  const { t } = useTranslation();
  const [name, setName] = useState(account?.name ?? "");
  const [display, setDisplay] = useState(account?.display_name ?? "");
  const [roles, setRoles] = useState<string[]>(account?.roles ?? ["viewer"]);
  const [asked, setAsked] = useState<"disable" | "reset" | "factors" | "sessions">();
  const refresh = [["accounts"]] as const;
  const save = useSave({
    base: account,
    read: () => people.account(name),
    write: async (ifMatch) => (account ? void (await people.change(account.name, { display_name: display, roles }, ifMatch)) : (await people.add({ name: name.trim(), display_name: display, roles })).one_time_password),
    values: (state) => ({ [t("users.display")]: state.display_name, [t("users.roles")]: state.roles.map((each) => t(`users.role.${each}`, { defaultValue: each })).sort(), [t("devices.state")]: t(state.enabled ? "users.state.active" : "users.state.disabled") }),
    refresh,
    onDone: (password) => { say(t("users.saved", { name })); onClose(); if (password) onMade({ name: name.trim(), password }); },
  });
  const turnOn = useAct(() => people.change(name, { enabled: true }), { refresh, done: t("users.enabled", { name }), loud: true, onDone: onAgain });
  const unlock = useAct(() => people.unlock(name), { refresh, done: t("users.unlocked", { name }), loud: true, onDone: onAgain });
  const known = [...ROLES, ...roles.filter((each) => !(ROLES as readonly string[]).includes(each))];
  const local = account?.provider === "";
  const small = { size: "compact-sm", variant: "default" } as const;
  return (
    <form style={{ display: "contents" }} onSubmit={(event) => { event.preventDefault(); save.mutate(undefined); }}>
      <Panel title={account?.name ?? t("users.add")} label={account?.name ?? t("users.add")} sub={account ? account.display_name : t("users.addSub")} onClose={onClose}
        actions={account && <>
          {local && <Button {...small} onClick={() => setAsked("reset")}>{t("users.reset")}</Button>}
          {account.locked_until && <Button {...small} onClick={() => unlock.mutate(undefined)}>{t("users.unlock")}</Button>}
          {account.enabled ? <Button {...small} disabled={account.last_administrator} onClick={() => setAsked("disable")}>{t("users.disable")}</Button> : <Button {...small} onClick={() => turnOn.mutate(undefined)}>{t("users.enable")}</Button>}
          <Button {...small} onClick={() => setAsked("sessions")}>{t("users.endSessions")}</Button>
          {(account.authenticator || account.passkeys > 0) && <Button {...small} onClick={() => setAsked("factors")}>{t("users.removeFactors")}</Button>}
        </>}
        foot={<>
          <Button variant="default" onClick={onClose}>{t("common.cancel")}</Button>
          <Button type="submit" disabled={name.trim() === "" || roles.length === 0} loading={save.isPending}>{t("common.save")}</Button>
        </>}>
        <ConflictNote error={save.error} onReload={() => onAgain?.()} onOver={(tag) => save.mutate(tag)} />
        <Wrong error={save.error instanceof Conflict ? null : save.error} />
        {account?.last_administrator && <Note tone="warn" title={t("users.lastAdmin")}>{t("users.lastAdminText")}</Note>}
        {account && <Facts of={[
          [t("devices.state"), <Standing key="s" of={account} />],
          [t("users.provider"), account.provider || t("users.here")],
          [t("users.factors"), factorsOf(account, t)],
          [t("users.lastSignIn"), account.last_sign_in ? <When key="l" at={account.last_sign_in} ago /> : t("users.never")],
          [t("users.lockedUntil"), account.locked_until && <When key="u" at={account.locked_until} ago />],
          [t("users.since"), <When key="c" at={account.created_at} />],
        ]} />}
        {!account && <TextInput label={t("users.name")} description={t("users.nameHelp")} value={name} onChange={(event) => setName(event.currentTarget.value)} autoFocus maxLength={64} />}
        <TextInput label={t("users.display")} value={display} onChange={(event) => setDisplay(event.currentTarget.value)} maxLength={200} />
        <Checkbox.Group label={t("users.roles")} description={t("users.rolesHelp")} value={roles} onChange={setRoles}>
          <Stack gap={8} mt={8}>
            {known.map((each) => <Checkbox key={each} size="xs" value={each} label={t(`users.role.${each}`, { defaultValue: each })} description={t(`users.may.${each}`, { defaultValue: "" })} disabled={account?.last_administrator && each === "administrator"} />)}
          </Stack>
        </Checkbox.Group>
        {asked === "disable" && <Ask danger title={t("users.disableTitle", { name })} text={t("users.disableText")} verb={t("users.disable")} refresh={refresh} done={t("users.disabled", { name })} onDone={onAgain} onClose={() => setAsked(undefined)} act={() => people.change(name, { enabled: false })} />}
        {asked === "reset" && <Ask title={t("users.resetTitle", { name })} text={t("users.resetText")} verb={t("users.reset")} refresh={refresh} onClose={() => setAsked(undefined)} act={async () => onMade({ name, password: (await people.reset(name)).one_time_password })} />}
        {asked === "factors" && <Ask danger title={t("users.factorsTitle", { name })} text={t("users.factorsText")} verb={t("users.removeFactors")} refresh={refresh} done={t("users.factorsGone", { name })} onDone={onAgain} onClose={() => setAsked(undefined)} act={() => people.removeFactors(name)} />}
        {asked === "sessions" && <Ask title={t("users.sessionsTitle", { name })} text={t("users.sessionsText")} verb={t("users.endSessions")} refresh={refresh} done={t("users.sessionsEnded", { name })} onClose={() => setAsked(undefined)} act={() => people.endSessions(name)} />}
      </Panel>
    </form>
  );
}
