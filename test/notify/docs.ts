import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { packageRoot } from "../../engine/base/package-root.js";
import { temporaryDirectory } from "../support/servers.js";

/** The only block of this kind in what the documentation says about webhooks. */
export function documented(kind: string): string {
  const page = readFileSync(join(packageRoot, "docs/ALERTS.md"), "utf8");
  const part = page.slice(page.indexOf("\n## Webhooks"));
  const found = [...part.matchAll(/```(\w*)\n([\s\S]*?)```/g)].filter((match) => match[1] === kind);
  assert.equal(found.length, 1, `${found.length} blocks of kind "${kind}"`);
  return found[0]![2]!;
}

export type IsGenuine = (secret: string, header: string, body: string, nowSeconds?: number) => boolean;

/** The check of a signature as the documentation gives it to receivers. */
export async function documentedCheck(): Promise<IsGenuine> {
  const file = join(temporaryDirectory("check"), "check.mjs");
  writeFileSync(file, documented("js"));
  return ((await import(pathToFileURL(file).href)) as { isGenuine: IsGenuine }).isGenuine;
}
