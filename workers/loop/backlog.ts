import { NONE } from "../../engine/base/entries.js";
import { viewsOf } from "../../engine/base/entry-views.js";
import type { Journal } from "../journal/journal.js";
import type { Directory } from "../state/directory.js";
import type { JournalShares } from "./journal-shares.js";
import { contentOf } from "./sink-pump.js";

/** Looks through what the store does not have yet: returns its rows of readings, and tells `shares` whose frames it is. */
export async function backlogBehind(
  journal: Journal,
  stored: number,
  directory: Directory,
  shares: JournalShares,
): Promise<number> {
  let rows = 0;
  let position = stored;
  for await (const units of journal.replay(stored)) {
    const { readings, repairedRows } = contentOf([units]);
    rows += readings + repairedRows;
    const { u32 } = viewsOf(units);
    for (let at = 0; at < units.length; ) {
      const bytes = u32[(at >> 2) + 1]!;
      const datalogger = u32[(at >> 2) + 4]!;
      at += bytes;
      position += bytes;
      if (datalogger !== NONE) shares.wrote(directory.dataloggerState(datalogger).tenant, bytes, position);
    }
  }
  return rows;
}
