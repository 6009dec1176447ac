import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writeDurably } from "../../engine/base/write-durably.js";

/** A small text that outlives the process. */
export interface StoreMemory {
  read(): string | null;
  write(text: string): void;
}

/** What a shard knows of its store, in a file in the shard's directory. */
export function storeMemory(directory: string): StoreMemory {
  const path = join(directory, "store.json");
  return {
    read: () => (existsSync(path) ? readFileSync(path, "utf8") : null),
    write: (text) => writeDurably(path, text),
  };
}
