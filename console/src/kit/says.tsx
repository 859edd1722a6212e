import { Button, CloseButton, Group, Paper, Portal, Stack, Text } from "@mantine/core";
import { useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";

interface Saying {
  id: number;
  text: string;
  bad?: boolean;
  action?: { label: string; run: () => void };
}

const SHOWN_MS = 8000;
let sayings: Saying[] = [];
let last = 0;
const listeners = new Set<() => void>();

function set(next: Saying[]) {
  sayings = next;
  for (const listener of listeners) listener();
}

function drop(id: number) {
  set(sayings.filter((each) => each.id !== id));
}

/** Say what was done, with a way back where there is one; faults stay until they are closed. */
export function say(text: string, more: Omit<Saying, "id" | "text"> = {}) {
  const id = ++last;
  set([...sayings.slice(-3), { id, text, ...more }]);
  if (!more.bad) window.setTimeout(() => drop(id), more.action ? SHOWN_MS * 2 : SHOWN_MS);
}

/** Where it is said: at the lower edge, over everything, read aloud. */
export function Says() {
  const { t } = useTranslation();
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => sayings,
  );
  return (
    <Portal>
      <Stack gap={6} role="status" style={{ position: "fixed", bottom: 16, left: "50%", transform: "translateX(-50%)", zIndex: 400 }}>
        {shown.map((each) => (
          <Paper key={each.id} withBorder shadow="md" px="md" py={8} style={each.bad ? { borderColor: "var(--mantine-color-red-6)" } : undefined}>
            <Group gap="md" wrap="nowrap">
              <Text size="sm" maw={640}>{each.text}</Text>
              {each.action && (
                <Button size="compact-xs" variant="light" onClick={() => { drop(each.id); each.action?.run(); }}>
                  {each.action.label}
                </Button>
              )}
              <CloseButton size="sm" onClick={() => drop(each.id)} aria-label={t("common.close")} />
            </Group>
          </Paper>
        ))}
      </Stack>
    </Portal>
  );
}
