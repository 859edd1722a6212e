import { Kbd, Modal, TextInput } from "@mantine/core";
import { type KeyboardEvent, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import classes from "./palette.module.css";

export interface Command {
  label: string;
  key: string;
  run: () => void;
}

/** Every action by name (Ctrl/Cmd-K). */
export function Palette({ opened, onClose, commands }: { opened: boolean; onClose: () => void; commands: Command[] }) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState("");
  const [at, setAt] = useState(0);
  useEffect(() => {
    setTyped("");
    setAt(0);
  }, [opened]);
  const found = commands.filter((command) => command.label.toLowerCase().includes(typed.toLowerCase()));
  const run = (command: Command | undefined) => {
    onClose();
    command?.run();
  };
  const press = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      setAt((at + step + found.length) % Math.max(1, found.length));
      event.preventDefault();
    } else if (event.key === "Enter") run(found[at]);
  };
  return (
    <Modal opened={opened} onClose={onClose} withCloseButton={false} padding={8} size={480} yOffset="12vh" attributes={{ content: { "aria-label": t("shell.palette") } }}>
      <TextInput
        data-autofocus
        value={typed}
        onChange={(event) => {
          setTyped(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={press}
        placeholder={t("shell.paletteHint")}
        aria-label={t("shell.paletteHint")}
      />
      <div role="listbox" aria-label={t("shell.palette")} className={classes.list}>
        {found.map((command, index) => (
          <button
            type="button"
            key={command.label}
            role="option"
            aria-selected={index === at}
            className={classes.command}
            onMouseEnter={() => setAt(index)}
            onClick={() => run(command)}
          >
            {command.label}
            {command.key && <Kbd size="xs">{command.key}</Kbd>}
          </button>
        ))}
      </div>
    </Modal>
  );
}
