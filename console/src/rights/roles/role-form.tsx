import { Button, Checkbox, Stack, Text, TextInput } from "@mantine/core";
import { IconPlus, IconX } from "@tabler/icons-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import classes from "../../admin/admin.module.css";
import { Panel, say, Section, Wrong } from "../../admin/parts";
import { api, type RoleShown } from "../../api/v1";
import { Conflict, ConflictNote, useSave } from "../../kit/editing";
import { usePlaces } from "./data";
import { Amounts } from "./roles";
import { ScopeForm } from "./scope-form";
import { actionsOf, GROUPS, type Scope, scopesOf, trimmed } from "./telling";

const NAME = /^[a-z][a-z0-9-]{1,63}$/;

interface Props {
  /** The role that is changed; without it one is made, perhaps like another. */
  role?: RoleShown;
  like?: RoleShown;
  taken: readonly string[];
  onClose: () => void;
  onSaved: (name: string) => void;
  onAgain?: () => void;
}

/** A role: what it allows in a data-protection officer's words, and on which parts of the archive. */
export function RoleForm({ role, like, taken, onClose, onSaved, onAgain }: Props) {
  const { t } = useTranslation();
  const places = usePlaces();
  const from = role ?? like;
  const [name, setName] = useState(role?.name ?? "");
  const [help, setHelp] = useState(role?.help ?? "");
  const [actions, setActions] = useState<string[]>(from?.actions ?? ["view"]);
  const [scopes, setScopes] = useState<Scope[]>(from?.scopes.length ? from.scopes : [{}]);
  const key = name.trim();
  const nameWrong = !role && taken.includes(key) ? t("rights.takenName") : key !== "" && !NAME.test(key) ? t("rights.badName") : undefined;
  const valid = NAME.test(key) && nameWrong === undefined;
  const save = useSave({
    base: role,
    read: () => api.roles.one({ name: key }),
    write: (ifMatch) => api.roles.put({ name: key, body: { actions, scopes: scopes.map(trimmed), help }, ifMatch }),
    values: (state) => ({ [t("rights.may")]: actionsOf(t, state.actions), [t("rights.where")]: scopesOf(t, state.scopes), [t("rights.help")]: state.help }),
    refresh: [["roles"]],
    onDone: () => { say(t("rights.saved", { name: key })); onSaved(key); },
  });
  const set = (place: number, scope: Scope) => setScopes(scopes.map((each, index) => (index === place ? scope : each)));
  const title = role?.name ?? t("rights.add");
  return (
    <form style={{ display: "contents" }} onSubmit={(event) => { event.preventDefault(); if (valid) save.mutate(undefined); }}>
      <Panel wide title={title} label={title} sub={t("rights.about")} onClose={onClose}
        foot={<>
          <Button variant="default" onClick={onClose}>{t("common.cancel")}</Button>
          <Button type="submit" disabled={!valid} loading={save.isPending}>{t("common.save")}</Button>
        </>}>
        <ConflictNote error={save.error} onReload={() => onAgain?.()} onOver={(tag) => save.mutate(tag)} />
        <Wrong error={save.error instanceof Conflict ? null : save.error} />
        <Amounts actions={actions} scopes={scopes} />
        {!role && <TextInput label={t("rights.name")} description={t("rights.nameHelp")} value={name} onChange={(event) => setName(event.currentTarget.value)} error={nameWrong} maxLength={64} autoFocus />}
        <TextInput label={t("rights.help")} value={help} onChange={(event) => setHelp(event.currentTarget.value)} maxLength={500} />
        <Section title={t("rights.permissions")}>
          <Checkbox.Group value={actions} onChange={setActions} aria-label={t("rights.permissions")}>
            <Stack gap="md">
              {GROUPS.map((group) => (
                <Stack key={group.name} gap={6}>
                  <Text size="xs" c="dimmed" fw={600}>{t(`rights.groups.${group.name}`)}</Text>
                  {group.actions.map((each) => <Checkbox key={each} size="xs" value={each} label={t(`rights.actions.${each}`)} description={t(`rights.helps.${each}`)} />)}
                </Stack>
              ))}
            </Stack>
          </Checkbox.Group>
        </Section>
        <Section title={t("rights.scopes")}>
          <Text size="xs" c="dimmed" mb={8}>{t("rights.scopesHelp")}</Text>
          <Stack gap="md">
            {scopes.map((scope, place) => (
              <fieldset key={place} className={classes.part}>
                <legend>
                  {t("rights.part", { number: place + 1 })}
                  {scopes.length > 1 && <Button size="compact-xs" variant="subtle" leftSection={<IconX size={12} />} onClick={() => setScopes(scopes.filter((_, index) => index !== place))} aria-label={`${t("common.remove")} ${t("rights.part", { number: place + 1 })}`}>{t("common.remove")}</Button>}
                </legend>
                <ScopeForm scope={scope} known={places} onChange={(next) => set(place, next)} />
              </fieldset>
            ))}
            {scopes.length < 20 && <Button size="compact-sm" variant="default" w="fit-content" leftSection={<IconPlus size={14} />} onClick={() => setScopes([...scopes, {}])}>{t("rights.addScope")}</Button>}
          </Stack>
        </Section>
      </Panel>
    </form>
  );
}
