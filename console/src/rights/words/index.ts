import i18next from "i18next";
import { en } from "./en";
import { zh } from "./zh";

/** The words of the rooms of rights, loaded with the first of them; they join those of the shell. */
i18next.addResourceBundle("en", "translation", en, true, false);
i18next.addResourceBundle("zh", "translation", zh, true, false);
