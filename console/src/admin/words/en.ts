import { devices } from "./en_devices";
import { work } from "./en_work";

/** Every English word of the administration rooms; the Chinese catalogue has the same keys. */
export const en = { ...devices, ...work };
