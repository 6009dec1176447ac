import type { Command } from "commander";
import { messageOf } from "../base/errors.js";
import type { CommandIo } from "./check.js";
import { listText, type RedeliveryAnswer, resendText, type ShownWebhook } from "./webhooks-text.js";

export interface WebhooksArguments {
  url: string;
  token?: string;
  tenant?: string;
  /** Of `resend`: this one alone. */
  webhook?: string;
  json?: boolean;
}

const ANSWER_WITHIN_MS = 30_000;
const FOUND = 0;
const REFUSED = 1;
const UNAVAILABLE = 2;
const SOME_LEFT = 3;

const CODES = `
Exit code: 0; 1 when what was asked for is at fault or the engine refuses it; 2 when it does not answer,
or cannot do it now`;

const LIST_HELP = `
Prints the client's webhooks: what waits for each and since when, what the last attempt failed with, how many
dead letters it has, and how many transitions were held back for it since the engine's start. Of an address
no more than its host is shown, since the rest may be a secret.
${CODES}.

Examples:
  meterstorm webhooks list --token $TOKEN
  meterstorm webhooks list --url https://meters.example --token $TOKEN --tenant acme --json`;

const RESEND_HELP = `
Lets the dead letters of the client's webhooks wait for them again, for another day, and tries the webhooks at
once. They come with the keys that they had. Only when they are safe among what waits they are dead letters no
more; after an error or a crash the command may be given again, and some may then come twice.
${CODES}; 3 when dead letters are left because too many wait already: give it again later.

Examples:
  meterstorm webhooks resend --token $TOKEN
  meterstorm webhooks resend --url https://meters.example --token $TOKEN --webhook 5d1c0f6a3be79412`;

/** Adds `meterstorm webhooks` to the program. */
export function addWebhooksCommand(program: Command, io: CommandIo): void {
  const webhooks = program.command("webhooks").description("what waits for webhooks, and what they never got");
  const add = (name: string, description: string, help: string): Command =>
    webhooks
      .command(name)
      .description(description)
      .option("--url <url>", "the engine's address", "http://127.0.0.1:8080")
      .option("--token <token>", "a token of role admin (default: METERSTORM_TOKEN)")
      .option("--tenant <id>", "the client; the token must be one of its own (default: the token's)")
      .option("--json", "print the answer as JSON")
      .addHelpText("after", help);
  add("list", "list a client's webhooks, what waits for them and their dead letters", LIST_HELP).action(
    async (given: WebhooksArguments) => {
      process.exitCode = await runWebhooksList(given, io);
    },
  );
  add("resend", "let the dead letters of a client's webhooks be sent again", RESEND_HELP)
    .option("--webhook <id>", "only those of this webhook, by its id in the list (default: of all)")
    .action(async (given: WebhooksArguments) => {
      process.exitCode = await runWebhooksResend(given, io);
    });
}

/** Returns the exit code. */
export async function runWebhooksList(given: WebhooksArguments, io: CommandIo): Promise<number> {
  const answer = await ask(given, io, "GET", "/v1/webhooks");
  if (typeof answer === "number") return answer;
  if (given.json === true) io.out(JSON.stringify(answer.body, null, 2));
  else for (const line of listText(answer.tenant, answer.body as ShownWebhook[])) io.out(line);
  return FOUND;
}

/** Returns the exit code. */
export async function runWebhooksResend(given: WebhooksArguments, io: CommandIo): Promise<number> {
  const query = given.webhook === undefined ? "" : `?${new URLSearchParams({ webhook: given.webhook })}`;
  const answer = await ask(given, io, "POST", `/v1/webhooks/redeliver${query}`);
  if (typeof answer === "number") return answer;
  const body = answer.body as RedeliveryAnswer;
  if (given.json === true) io.out(JSON.stringify(body, null, 2));
  else for (const line of resendText(answer.tenant, body)) io.out(line);
  return body.webhooks.some(({ position, left }) => position !== null && left > 0) ? SOME_LEFT : FOUND;
}

/** The answer, or the exit code when there is none, which was said then. */
async function ask(
  given: WebhooksArguments,
  io: CommandIo,
  method: string,
  path: string,
): Promise<{ tenant: string; body: unknown } | number> {
  const { METERSTORM_TOKEN: fromEnvironment } = process.env;
  const token = given.token ?? fromEnvironment;
  const wrong = (message: string): number => {
    io.err(`webhooks_options: ${message}`);
    return REFUSED;
  };
  if (token === undefined) return wrong("no token was given; pass --token or set METERSTORM_TOKEN");
  const tenant = token.split(".")[0]!;
  if (given.tenant !== undefined && given.tenant !== tenant)
    return wrong(`the token is of the client "${tenant}", and --tenant is "${given.tenant}"; give a token of that client`);
  const base = given.url.replace(/^ws/, "http").replace(/\/+$/, "");
  if (!URL.canParse(base) || !/^https?:/.test(base))
    return wrong(`--url is "${given.url}"; give the engine's address, such as http://127.0.0.1:8080`);
  try {
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetch(base + path, { method, headers, signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
    const body = (await response.json()) as unknown;
    if (response.ok) return { tenant, body };
    const { code, message } = (body as { error: { code: string; message: string } }).error;
    io.err(`${code}: ${message}`);
    return response.status === 429 || response.status >= 500 ? UNAVAILABLE : REFUSED;
  } catch (error) {
    io.err(`unreachable: ${base} did not answer as an engine does: ${messageOf(error)}`);
    return UNAVAILABLE;
  }
}
