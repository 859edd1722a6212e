import { devices } from "./en_devices";
import { rulesMade } from "./en_rules";
import { work } from "./en_work";

/** Every word of the administration rooms; the Chinese catalogue has the same keys as the English one. */
export const en = { ...devices, ...work, ...rulesMade };
