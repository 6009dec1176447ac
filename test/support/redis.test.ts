import assert from "node:assert/strict";
import { test } from "node:test";
import { redisSkip, startRedis } from "./redis.js";

test("a Redis of the tests answers, keeps its port over a restart and is gone when killed", { skip: redisSkip() }, async () => {
  const first = await startRedis();
  assert.match(first.url, /^redis:\/\/127\.0\.0\.1:\d+$/);
  await first.kill();
  assert.throws(() => process.kill(first.pid, 0), { code: "ESRCH" });
  const second = await startRedis({ port: first.port });
  assert.equal(second.url, first.url);
  await second.stop();
});
