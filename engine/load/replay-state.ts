import { createHash } from "node:crypto";
import { open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { MeterstormError } from "../base/errors.js";

/** What a replay remembers, so that another run of it goes on where it was. */
export interface ReplayState {
  /** SHA-256 of the file's beginning. */
  readonly file: string;
  /** What the readings were made into, in short: another way of replaying begins anew. */
  readonly how: string;
  /** Rows whose readings are acked. */
  readonly ackedRows: number;
}

const BEGINNING_BYTES = 4096;

/** Tells one file from another by its first line and what follows it within 4 KiB; a file may grow at its end. */
export async function fingerprintOf(path: string): Promise<string> {
  const file = await open(path, "r");
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(BEGINNING_BYTES), 0, BEGINNING_BYTES, 0);
    const text = buffer.toString("utf8", 0, bytesRead);
    const lines = text.split("\n", 2).join("\n");
    return createHash("sha256").update(lines).digest("hex");
  } finally {
    await file.close();
  }
}

/**
 * The rows that need not be sent again: 0 where nothing is remembered. Throws MeterstormError
 * `replay_state` where what is remembered is of another file or another way of replaying.
 */
export async function rememberedRows(path: string, file: string, how: string): Promise<number> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw error;
  }
  let state: Partial<ReplayState> | null = null;
  try {
    state = JSON.parse(text) as Partial<ReplayState> | null;
  } catch {
    // Said below.
  }
  if (state?.file !== file || state.how !== how || !Number.isSafeInteger(state.ackedRows)) {
    throw new MeterstormError(
      "replay_state",
      `${path} remembers another replay (${state?.how ?? "unreadable"}), not this one (${how}); begin anew with --restart, or name another file with --state`,
    );
  }
  return state.ackedRows ?? 0;
}

/** Replaces the state in one step. */
export async function remember(path: string, state: ReplayState): Promise<void> {
  const beside = `${path}.new`;
  await writeFile(beside, `${JSON.stringify(state)}\n`);
  await rename(beside, path);
}

export async function forget(path: string): Promise<void> {
  await rm(path, { force: true });
}
